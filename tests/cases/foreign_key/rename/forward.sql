ALTER TABLE posts RENAME CONSTRAINT posts_author_id_fkey TO posts_have_authors;
