INSERT INTO users VALUES (1, 1), (2, 2);
INSERT INTO posts VALUES (10, 1), (11, 2);
