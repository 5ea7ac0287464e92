INSERT INTO pages VALUES (1, 'one', 'a', 'x'), (2, 'two', 'b', 'y');
