INSERT INTO orders VALUES (1, 'first'), (2, 'second');
