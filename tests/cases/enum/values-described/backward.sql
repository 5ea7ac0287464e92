ALTER TYPE public.plan ADD VALUE 'team';
