INSERT INTO users VALUES (1, 'Ann', '2026-01-01'), (2, 'Bob', '2026-01-02');
