ALTER TYPE public.plan RENAME VALUE 'free' TO 'free__chameleon';
ALTER TYPE public.plan RENAME VALUE 'pro' TO 'free';
ALTER TYPE public.plan RENAME VALUE 'free__chameleon' TO 'pro';
ALTER TYPE public.plan RENAME TO plan_old;
CREATE TYPE public.plan AS ENUM ('free', 'pro');
ALTER TABLE users ALTER COLUMN plan TYPE public.plan USING plan::text::public.plan;
DROP TYPE public.plan_old;
