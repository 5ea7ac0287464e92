DROP TABLE days;
ALTER TYPE public.mood RENAME TO mood_old;
CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'happy');
ALTER TABLE people ALTER COLUMN mood TYPE public.mood USING mood::text::public.mood;
DROP TYPE public.mood_old;
CREATE INDEX idx_people_mood ON people(mood) WHERE mood = 'ok'::public.mood;
