ALTER INDEX idx_users_full_name RENAME TO idx_users_name_full;
ALTER TABLE users RENAME COLUMN full_name TO name_full;
ALTER TABLE users RENAME CONSTRAINT users_full_name_check TO users_name_full_check;
ALTER TABLE users RENAME CONSTRAINT users_full_name_not_null TO users_name_full_not_null;
