ALTER TABLE users ALTER COLUMN name SET DEFAULT 'it''s "me"'::text;
ALTER TABLE users ALTER COLUMN score SET DEFAULT '-1'::integer;
ALTER TABLE users ALTER COLUMN tags SET DEFAULT '{new,"big one"}'::text[];
ALTER TABLE users ALTER COLUMN seen SET DEFAULT (now() + '1 day'::interval);
ALTER TABLE users ALTER COLUMN old DROP DEFAULT;
