ALTER TABLE hits SET (fillfactor=70, toast.autovacuum_enabled=false);
ALTER TABLE hits RESET (autovacuum_enabled);
