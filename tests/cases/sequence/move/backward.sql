ALTER SEQUENCE shop."order no" SET SCHEMA public;
ALTER SEQUENCE "order no" RENAME TO tickets;
DROP SCHEMA shop;
