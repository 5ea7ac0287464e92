ALTER TYPE public.plan RENAME VALUE 'free' TO 'free__chameleon';
ALTER TYPE public.plan RENAME VALUE 'pro' TO 'free';
ALTER TYPE public.plan RENAME VALUE 'free__chameleon' TO 'pro';
