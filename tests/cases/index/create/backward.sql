DROP INDEX idx_users_created_at_lower_name;
DROP INDEX idx_users_name;
