ALTER TABLE users ADD COLUMN login TEXT;
UPDATE users SET login = (split_part(email, '@', 1)) WHERE login IS NULL;
ALTER TABLE users ALTER COLUMN login SET NOT NULL;
