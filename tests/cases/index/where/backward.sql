DROP INDEX idx_users_name;
CREATE INDEX idx_users_name ON users(name) WHERE deleted_at IS NULL;
