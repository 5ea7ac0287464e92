ALTER TABLE pages ALTER COLUMN body RESET (n_distinct);
ALTER TABLE pages ALTER COLUMN kind SET (n_distinct=10);
ALTER TABLE pages ALTER COLUMN kind RESET (n_distinct_inherited);
