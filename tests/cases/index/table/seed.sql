INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob');
INSERT INTO robots VALUES (1, 'R2'), (2, 'C3');
