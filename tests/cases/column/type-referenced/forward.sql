ALTER TABLE posts DROP CONSTRAINT posts_author_id_fkey;
ALTER TABLE posts ALTER COLUMN author_id TYPE TEXT USING author_id::text;
ALTER TABLE users DROP CONSTRAINT users_invited_by_fkey;
ALTER TABLE users ALTER COLUMN id TYPE TEXT USING id::text;
ALTER TABLE users ALTER COLUMN invited_by TYPE TEXT USING invited_by::text;
ALTER TABLE posts ADD CONSTRAINT posts_author_id_fkey FOREIGN KEY (author_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE users ADD CONSTRAINT users_invited_by_fkey FOREIGN KEY (invited_by) REFERENCES users(id);
