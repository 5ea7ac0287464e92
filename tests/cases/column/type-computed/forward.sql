DROP INDEX idx_items_gross;
ALTER TABLE items DROP CONSTRAINT items_gross_check;
ALTER TABLE items DROP COLUMN gross;
ALTER TABLE items ALTER COLUMN price TYPE BIGINT;
ALTER TABLE items ADD COLUMN gross NUMERIC(10,2) GENERATED ALWAYS AS ((price)::numeric * 1.19) STORED NOT NULL;
ALTER TABLE items ADD CONSTRAINT items_gross_check CHECK (gross > (0)::numeric);
CREATE INDEX idx_items_gross ON items(gross);
COMMENT ON COLUMN items.gross IS 'With tax.';
