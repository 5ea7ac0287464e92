CREATE SCHEMA shop;
ALTER SEQUENCE tickets SET SCHEMA shop;
ALTER SEQUENCE shop.tickets RENAME TO "order no";
