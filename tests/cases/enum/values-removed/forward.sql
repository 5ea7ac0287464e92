ALTER TABLE people DROP CONSTRAINT people_mood_fkey;
DROP INDEX calm;
DROP INDEX idx_people_shown;
ALTER TABLE people DROP COLUMN is_sad;
ALTER TABLE people DROP COLUMN shown;
ALTER TYPE public.mood RENAME TO mood_old;
CREATE TYPE public.mood AS ENUM ('sad', 'ok');
ALTER TABLE feelings ALTER COLUMN mood TYPE public.mood USING mood::text::public.mood;
ALTER TABLE people ALTER COLUMN mood TYPE public.mood USING mood::text::public.mood;
ALTER TABLE people ALTER COLUMN moods DROP DEFAULT;
ALTER TABLE people ALTER COLUMN moods TYPE public.mood[] USING moods::text[]::public.mood[];
ALTER TABLE people ALTER COLUMN moods SET DEFAULT '{ok}'::public.mood[];
DROP TYPE public.mood_old;
ALTER TABLE people ADD COLUMN is_sad BOOLEAN GENERATED ALWAYS AS (mood = 'sad'::public.mood) STORED NOT NULL;
ALTER TABLE people ADD COLUMN shown public.mood GENERATED ALWAYS AS (
CASE
    WHEN (mood = 'sad'::public.mood) THEN 'ok'::public.mood
    ELSE mood
END) STORED NOT NULL;
CREATE INDEX calm ON people(id) WHERE mood = 'ok'::public.mood;
CREATE INDEX idx_people_shown ON people(shown);
ALTER TABLE people ADD CONSTRAINT people_mood_fkey FOREIGN KEY (mood) REFERENCES feelings(mood);
COMMENT ON TYPE public.mood IS 'How a person feels.';
