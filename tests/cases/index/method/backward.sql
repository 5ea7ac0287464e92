DROP INDEX idx_users_name;
CREATE INDEX idx_users_name ON users(name);
