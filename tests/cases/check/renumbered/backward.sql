ALTER TABLE items DROP CONSTRAINT items_size_check;
ALTER TABLE items ADD CONSTRAINT items_size_check CHECK (size > 0);
ALTER TABLE items DROP CONSTRAINT items_size_check1;
