ALTER TABLE users ADD COLUMN nickname TEXT;
CREATE INDEX idx_users_nickname ON users(nickname);
