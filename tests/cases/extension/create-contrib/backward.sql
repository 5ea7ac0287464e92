DROP INDEX idx_pages_title;
DROP EXTENSION pg_trgm;
