DROP INDEX idx_users_nickname;
ALTER TABLE users DROP COLUMN nickname;
