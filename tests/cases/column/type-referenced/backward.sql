ALTER TABLE posts DROP CONSTRAINT posts_author_id_fkey;
ALTER TABLE posts ALTER COLUMN author_id TYPE INTEGER USING (author_id::int);
ALTER TABLE users DROP CONSTRAINT users_invited_by_fkey;
ALTER TABLE users ALTER COLUMN id TYPE INTEGER USING (id::int);
ALTER TABLE users ALTER COLUMN invited_by TYPE INTEGER USING (invited_by::int);
ALTER TABLE posts ADD CONSTRAINT posts_author_id_fkey FOREIGN KEY (author_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE users ADD CONSTRAINT users_invited_by_fkey FOREIGN KEY (invited_by) REFERENCES users(id);
