ALTER TYPE public.plan RENAME VALUE 'pro' TO 'basic';
