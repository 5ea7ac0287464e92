ALTER TABLE users RESET (toast.autovacuum_enabled);
ALTER TABLE users ALTER COLUMN name TYPE INTEGER USING name::integer;
