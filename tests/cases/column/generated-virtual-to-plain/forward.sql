ALTER TABLE users DROP COLUMN slug;
ALTER TABLE users ADD COLUMN slug TEXT;
UPDATE users SET slug = (lower(name)) WHERE slug IS NULL;
