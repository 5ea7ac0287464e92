ALTER TABLE users DROP COLUMN plan;
DROP TYPE public.plan;
