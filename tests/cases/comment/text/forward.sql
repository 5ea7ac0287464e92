COMMENT ON COLUMN users.age IS 'In full years.';
COMMENT ON TABLE users IS 'A person who can sign in.';
