ALTER SEQUENCE order_no MAXVALUE 1000;
ALTER SEQUENCE order_no SET UNLOGGED;
ALTER TABLE orders ADD COLUMN reference BIGINT DEFAULT nextval('public.order_no'::regclass);
ALTER SEQUENCE order_no OWNED BY NONE;
ALTER SEQUENCE order_no OWNED BY orders.reference;
ALTER TABLE orders DROP COLUMN number;
