ALTER TABLE users ALTER COLUMN name TYPE TEXT USING name::text;
ALTER TABLE users SET (toast.autovacuum_enabled=off);
