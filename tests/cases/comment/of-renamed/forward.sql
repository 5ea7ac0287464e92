ALTER INDEX by_age RENAME TO idx_users_age;
ALTER TABLE users RENAME CONSTRAINT key TO users_pkey;
COMMENT ON CONSTRAINT users_pkey ON users IS NULL;
COMMENT ON INDEX idx_users_age IS NULL;
