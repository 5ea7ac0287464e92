INSERT INTO users VALUES (1, 'Ann', 30), (2, 'Bob', 40);
