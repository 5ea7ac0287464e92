DO $$ BEGIN ASSERT nextval('order_no') = 8; END $$;
