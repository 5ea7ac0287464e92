ALTER INDEX idx_users_age RENAME TO by_age;
ALTER TABLE users RENAME CONSTRAINT users_pkey TO key;
COMMENT ON CONSTRAINT key ON users IS 'The key.';
COMMENT ON INDEX by_age IS 'By age.';
