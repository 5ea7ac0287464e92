ALTER TABLE users DROP COLUMN name;
ALTER TABLE users RESET (fillfactor, toast.autovacuum_enabled);
