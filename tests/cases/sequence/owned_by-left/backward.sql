ALTER TABLE orders ADD COLUMN number BIGINT DEFAULT nextval('public.order_no'::regclass);
ALTER SEQUENCE order_no OWNED BY orders.number;
