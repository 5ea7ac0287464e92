ALTER INDEX idx_users_age RENAME TO idx_accounts_age;
ALTER TABLE users RENAME TO accounts;
ALTER SEQUENCE users_id_seq RENAME TO accounts_id_seq;
ALTER TABLE accounts RENAME CONSTRAINT users_email_key TO accounts_email_key;
ALTER TABLE accounts RENAME CONSTRAINT users_pkey TO accounts_pkey;
ALTER TABLE accounts RENAME CONSTRAINT users_id_not_null TO accounts_id_not_null;
ALTER TABLE accounts RENAME CONSTRAINT users_email_not_null TO accounts_email_not_null;
ALTER TABLE accounts RENAME CONSTRAINT users_age_not_null TO accounts_age_not_null;
