ALTER TABLE hits SET (autovacuum_enabled=false, fillfactor=90);
ALTER TABLE hits RESET (toast.autovacuum_enabled);
