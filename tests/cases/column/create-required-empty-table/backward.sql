DROP INDEX idx_users_age;
ALTER TABLE users DROP COLUMN age;
