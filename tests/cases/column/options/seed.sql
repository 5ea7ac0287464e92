INSERT INTO pages VALUES (1, 'one', 'a'), (2, 'two', 'b');
