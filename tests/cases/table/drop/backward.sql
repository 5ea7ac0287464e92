CREATE TABLE posts (
    id INTEGER NOT NULL,
    author_id INTEGER NOT NULL,
    CONSTRAINT posts_pkey PRIMARY KEY (id)
);
ALTER TABLE posts ADD CONSTRAINT posts_author_id_fkey FOREIGN KEY (author_id) REFERENCES users(id);
