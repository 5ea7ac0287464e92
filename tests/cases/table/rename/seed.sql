INSERT INTO users VALUES (1, 'ann@example.org', 30), (2, 'bob@example.org', 40);
INSERT INTO posts VALUES (10, 1), (11, 2);
