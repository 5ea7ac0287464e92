COMMENT ON COLUMN users.age IS 'In years.';
COMMENT ON TABLE users IS 'A person.';
