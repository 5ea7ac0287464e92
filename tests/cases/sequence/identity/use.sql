INSERT INTO orders (note) VALUES ('third');
DO $$ BEGIN ASSERT (SELECT max(id) FROM orders) = 3; END $$;
