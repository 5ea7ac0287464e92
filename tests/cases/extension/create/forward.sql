CREATE EXTENSION vector;
ALTER TABLE pages ADD COLUMN embedding public.vector(3);
