INSERT INTO users VALUES (1, 'a@b', 'Ann'); INSERT INTO teams VALUES (1, 'x');
