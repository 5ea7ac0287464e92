INSERT INTO users VALUES (1, 'Ann', 5, '{a}', '2026-01-01 12:00+00', true);
