CREATE SEQUENCE orders_id_seq AS INTEGER;
ALTER TABLE orders ALTER COLUMN id SET DEFAULT nextval('public.orders_id_seq'::regclass);
ALTER SEQUENCE orders_id_seq OWNED BY orders.id;
SELECT pg_catalog.setval('public.orders_id_seq', max(id)) FROM orders HAVING max(id) >= 1;
