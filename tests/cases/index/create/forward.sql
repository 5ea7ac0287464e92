CREATE INDEX idx_users_created_at_lower_name ON users(created_at DESC, lower(name));
CREATE INDEX idx_users_name ON users(name);
