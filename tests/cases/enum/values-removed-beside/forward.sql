DROP INDEX idx_people_mood;
ALTER TYPE public.mood RENAME TO mood_old;
CREATE TYPE public.mood AS ENUM ('happy', 'ok');
ALTER TABLE people ALTER COLUMN mood TYPE public.mood USING mood::text::public.mood;
DROP TYPE public.mood_old;
CREATE TABLE days (
    id DATE NOT NULL,
    mood public.mood DEFAULT 'ok'::public.mood NOT NULL,
    CONSTRAINT days_pkey PRIMARY KEY (id)
);
