ALTER TABLE users RENAME CONSTRAINT one_account_each TO users_email_key;
