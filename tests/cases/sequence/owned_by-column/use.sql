INSERT INTO orders (id) VALUES (3);
DO $$ BEGIN ASSERT (SELECT reference FROM orders WHERE id = 3) = 5; END $$;
