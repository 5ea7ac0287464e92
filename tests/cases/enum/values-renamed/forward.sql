ALTER TYPE public.plan RENAME VALUE 'basic' TO 'pro';
