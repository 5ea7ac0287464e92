CREATE SEQUENCE tickets;
CREATE TABLE invoices (
    number TEXT DEFAULT ('I-'::text || nextval('public.tickets'::regclass)) NOT NULL,
    CONSTRAINT invoices_pkey PRIMARY KEY (number)
);
ALTER TABLE orders ADD COLUMN ticket TEXT DEFAULT ('T-'::text || nextval('public.tickets'::regclass));
