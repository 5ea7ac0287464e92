ALTER TABLE users ALTER COLUMN tags DROP DEFAULT;
ALTER TABLE users ALTER COLUMN tags TYPE public.tag[] USING tags::public.tag[];
ALTER TABLE users ALTER COLUMN tags SET DEFAULT '{}'::public.tag[];
ALTER TABLE users ALTER COLUMN tag TYPE public.tag USING tag::public.tag;
ALTER TABLE users ALTER COLUMN points TYPE INTEGER[];
