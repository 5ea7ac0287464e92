ALTER SEQUENCE order_no NO MAXVALUE;
ALTER SEQUENCE order_no SET LOGGED;
ALTER TABLE orders ADD COLUMN number BIGINT DEFAULT nextval('public.order_no'::regclass);
ALTER SEQUENCE order_no OWNED BY NONE;
ALTER SEQUENCE order_no OWNED BY orders.number;
ALTER TABLE orders DROP COLUMN reference;
