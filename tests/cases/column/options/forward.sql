ALTER TABLE pages ALTER COLUMN body SET (n_distinct=-0.5);
ALTER TABLE pages ALTER COLUMN kind SET (n_distinct_inherited=5);
ALTER TABLE pages ALTER COLUMN kind RESET (n_distinct);
