ALTER TYPE crm.state SET SCHEMA public;
ALTER TYPE public.state RENAME TO status;
ALTER TYPE public.status RENAME VALUE 'active' TO 'live';
DROP SCHEMA crm;
