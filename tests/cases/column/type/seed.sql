INSERT INTO users VALUES (1, 30, 'Ann'), (2, 40, 'Bob');
