DROP INDEX users_found;
CREATE INDEX users_found ON users(name);
