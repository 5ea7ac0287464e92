ALTER TABLE orders DROP COLUMN ticket;
DROP TABLE invoices;
DROP SEQUENCE tickets;
