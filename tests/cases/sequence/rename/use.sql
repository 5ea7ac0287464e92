INSERT INTO orders DEFAULT VALUES;
DO $$ BEGIN ASSERT (SELECT (id, a) FROM orders ORDER BY id DESC LIMIT 1) = (7::bigint, 12::bigint); END $$;
