ALTER TABLE users RENAME CONSTRAINT old_name TO age_is_no_debt;
