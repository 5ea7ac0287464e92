ALTER INDEX idx_users_name SET (fillfactor=90);
ALTER INDEX idx_users_name RESET (deduplicate_items);
