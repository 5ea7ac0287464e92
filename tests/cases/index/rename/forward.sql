ALTER INDEX idx_users_name RENAME TO users_by_name;
