INSERT INTO blog.posts (title, views) VALUES ('one', 1), ('two', 2);
INSERT INTO blog.comments VALUES (1, 1, 7), (2, 2, 8);
