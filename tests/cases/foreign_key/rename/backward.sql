ALTER TABLE posts RENAME CONSTRAINT posts_have_authors TO posts_author_id_fkey;
