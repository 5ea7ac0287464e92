-- What a failed CREATE INDEX CONCURRENTLY leaves behind.
UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = 'idx_users_name'::regclass;
INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob');
