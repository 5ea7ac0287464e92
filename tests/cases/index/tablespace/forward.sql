ALTER INDEX idx_users_name SET TABLESPACE fast;
