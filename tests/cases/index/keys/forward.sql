DROP INDEX users_found;
CREATE INDEX users_found ON users(lower(name) text_pattern_ops, age DESC NULLS LAST);
