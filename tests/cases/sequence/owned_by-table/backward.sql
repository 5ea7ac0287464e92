CREATE TABLE orders (
    number BIGINT DEFAULT nextval('public.order_no'::regclass) NOT NULL,
    CONSTRAINT orders_pkey PRIMARY KEY (number)
);
ALTER TABLE invoices ALTER COLUMN number DROP DEFAULT;
ALTER SEQUENCE order_no OWNED BY orders.number;
