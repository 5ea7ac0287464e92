ALTER TABLE users ALTER COLUMN mood TYPE public.mood USING mood::text::public.mood;
ALTER TABLE users ALTER COLUMN token TYPE UUID USING token::text::uuid;
