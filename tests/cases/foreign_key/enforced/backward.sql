ALTER TABLE posts ALTER CONSTRAINT posts_author_id_fkey ENFORCED;
