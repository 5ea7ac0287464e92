CREATE EXTENSION pg_trgm;
CREATE INDEX idx_pages_title ON pages USING gin (title public.gin_trgm_ops);
