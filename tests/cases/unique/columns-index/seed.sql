INSERT INTO books VALUES (1, 'a'), (2, 'b');
INSERT INTO loans VALUES (1, 'b');
