INSERT INTO invoices DEFAULT VALUES;
DO $$ BEGIN ASSERT (SELECT min(number) FROM invoices) = 2; END $$;
