ALTER SEQUENCE orders_id_seq RENAME TO orders_id_seq__chameleon;
CREATE SEQUENCE orders_id_seq AS INTEGER;
SELECT pg_catalog.setval('public.orders_id_seq', o.last_value, o.is_called) FROM orders_id_seq__chameleon o, orders_id_seq n WHERE (o.last_value, o.is_called) > (n.last_value, n.is_called);
ALTER TABLE orders ALTER COLUMN id DROP IDENTITY;
ALTER TABLE orders ALTER COLUMN id SET DEFAULT nextval('public.orders_id_seq'::regclass);
ALTER SEQUENCE orders_id_seq OWNED BY orders.id;
