ALTER TABLE users RENAME CONSTRAINT users_email_key TO one_account_each;
