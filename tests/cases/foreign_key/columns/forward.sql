ALTER TABLE posts DROP CONSTRAINT posts_user;
ALTER TABLE posts ADD CONSTRAINT posts_user FOREIGN KEY (editor_id) REFERENCES users(id);
