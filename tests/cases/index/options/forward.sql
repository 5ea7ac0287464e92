ALTER INDEX idx_users_name SET (deduplicate_items=off, fillfactor=50);
