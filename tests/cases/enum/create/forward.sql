CREATE TYPE public.plan AS ENUM ('free', 'pro', 'team plan');
ALTER TABLE users ADD COLUMN plan public.plan DEFAULT 'free'::public.plan NOT NULL;
