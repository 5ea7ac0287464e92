INSERT INTO books VALUES (1, 'a'), (2, 'b');
