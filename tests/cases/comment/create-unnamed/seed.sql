INSERT INTO teams VALUES (1); INSERT INTO users VALUES (1, 30, 'ann@example.org', 1);
