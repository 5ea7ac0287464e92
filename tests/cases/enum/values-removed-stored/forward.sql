ALTER TYPE public.mood RENAME TO mood_old;
CREATE TYPE public.mood AS ENUM ('ok', 'sad');
ALTER TABLE people ALTER COLUMN moods DROP DEFAULT;
ALTER TABLE people ALTER COLUMN moods TYPE public.mood[] USING moods::text[]::public.mood[];
ALTER TABLE people ALTER COLUMN moods SET STORAGE MAIN;
ALTER TABLE people ALTER COLUMN moods SET COMPRESSION pglz;
ALTER TABLE people ALTER COLUMN moods SET DEFAULT '{}'::public.mood[];
DROP TYPE public.mood_old;
ALTER TABLE people ALTER COLUMN moods SET STORAGE MAIN;
