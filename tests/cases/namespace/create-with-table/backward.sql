DROP TABLE blog.posts;
DROP SCHEMA blog;
