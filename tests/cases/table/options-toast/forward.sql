ALTER TABLE users ADD COLUMN name TEXT;
ALTER TABLE users SET (fillfactor=70, toast.autovacuum_enabled=off);
