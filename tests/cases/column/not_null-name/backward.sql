ALTER TABLE users RENAME CONSTRAINT names_are_known TO users_have_names;
ALTER TABLE users ALTER CONSTRAINT users_have_names INHERIT;
