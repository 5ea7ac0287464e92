ALTER TYPE public.plan ADD VALUE 'gold';
ALTER TABLE users ALTER COLUMN olds TYPE public.plan[] USING olds::public.plan[];
ALTER TABLE users ALTER COLUMN since TYPE public.plan USING since::text::public.plan;
ALTER TABLE users DROP CONSTRAINT users_old_check;
ALTER TABLE users ALTER COLUMN old DROP DEFAULT;
ALTER TABLE users ALTER COLUMN old TYPE public.plan USING old::public.plan;
ALTER TABLE users ALTER COLUMN old SET DEFAULT 'gold'::public.plan;
DROP TYPE public.era;
