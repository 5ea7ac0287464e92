INSERT INTO users VALUES (1, 'Ann', NULL), (2, 'Bob', '2026-01-01');
