ALTER TABLE users RENAME CONSTRAINT users_have_names TO names_are_known;
ALTER TABLE users ALTER CONSTRAINT names_are_known NO INHERIT;
