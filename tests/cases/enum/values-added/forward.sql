ALTER TYPE public.plan ADD VALUE 'trial' BEFORE 'free';
ALTER TYPE public.plan ADD VALUE 'starter' BEFORE 'pro';
ALTER TYPE public.plan ADD VALUE 'team';
