ALTER INDEX users_by_name RENAME TO idx_users_name;
