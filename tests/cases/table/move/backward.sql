ALTER TABLE blog.posts SET SCHEMA public;
DROP SCHEMA blog;
