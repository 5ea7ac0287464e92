CREATE SCHEMA blog;
CREATE TABLE blog.posts (
    id INTEGER NOT NULL,
    author_id INTEGER NOT NULL,
    CONSTRAINT posts_pkey PRIMARY KEY (id)
);
ALTER TABLE blog.posts ADD CONSTRAINT posts_author_id_fkey FOREIGN KEY (author_id) REFERENCES users(id);
