INSERT INTO users DEFAULT VALUES;
INSERT INTO posts (title, views, author_id) VALUES ('one', 1, 1), ('two', 2, 1);
