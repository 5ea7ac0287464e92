ALTER TABLE users RENAME CONSTRAINT age_is_no_debt TO old_name;
