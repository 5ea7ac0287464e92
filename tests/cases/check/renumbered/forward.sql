ALTER TABLE items RENAME CONSTRAINT items_size_check TO items_size_check1;
ALTER TABLE items ADD CONSTRAINT items_size_check CHECK (size < 100);
