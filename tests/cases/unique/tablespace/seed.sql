INSERT INTO users VALUES (1, 'ann@example.org'), (2, 'bob@example.org');
