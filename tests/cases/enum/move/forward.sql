CREATE SCHEMA crm;
ALTER TYPE public.status SET SCHEMA crm;
ALTER TYPE crm.status RENAME TO state;
ALTER TYPE crm.state RENAME VALUE 'live' TO 'active';
