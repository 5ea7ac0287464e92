ALTER TABLE users RENAME CONSTRAINT users_key TO users_pkey;
