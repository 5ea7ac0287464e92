DROP INDEX idx_users_name;
CREATE UNIQUE INDEX idx_users_name ON users(name) NULLS NOT DISTINCT;
