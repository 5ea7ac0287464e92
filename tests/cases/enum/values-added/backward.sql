ALTER TYPE public.plan RENAME TO plan_old;
CREATE TYPE public.plan AS ENUM ('free', 'pro');
ALTER TABLE users ALTER COLUMN plan DROP DEFAULT;
ALTER TABLE users ALTER COLUMN plan TYPE public.plan USING plan::text::public.plan;
ALTER TABLE users ALTER COLUMN plan SET DEFAULT 'free'::public.plan;
DROP TYPE public.plan_old;
