ALTER INDEX idx_users_name_full RENAME TO idx_users_full_name;
ALTER TABLE users RENAME COLUMN name_full TO full_name;
ALTER TABLE users RENAME CONSTRAINT users_name_full_check TO users_full_name_check;
ALTER TABLE users RENAME CONSTRAINT users_name_full_not_null TO users_full_name_not_null;
