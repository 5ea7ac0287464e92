ALTER TABLE users DROP CONSTRAINT users_differ;
ALTER TABLE users ADD CONSTRAINT users_differ UNIQUE (name, age);
