ALTER INDEX idx_users_name SET TABLESPACE pg_default;
