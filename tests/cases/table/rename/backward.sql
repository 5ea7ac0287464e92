ALTER TABLE accounts RENAME TO users;
ALTER SEQUENCE accounts_id_seq RENAME TO users_id_seq;
ALTER INDEX idx_accounts_age RENAME TO idx_users_age;
ALTER TABLE users RENAME CONSTRAINT accounts_email_key TO users_email_key;
ALTER TABLE users RENAME CONSTRAINT accounts_pkey TO users_pkey;
ALTER TABLE users RENAME CONSTRAINT accounts_id_not_null TO users_id_not_null;
ALTER TABLE users RENAME CONSTRAINT accounts_email_not_null TO users_email_not_null;
ALTER TABLE users RENAME CONSTRAINT accounts_age_not_null TO users_age_not_null;
