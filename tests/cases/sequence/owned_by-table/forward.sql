ALTER TABLE invoices ALTER COLUMN number SET DEFAULT nextval('public.order_no'::regclass);
ALTER SEQUENCE order_no OWNED BY invoices.number;
DROP TABLE orders;
