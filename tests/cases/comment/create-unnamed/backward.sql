COMMENT ON CONSTRAINT users_age_check ON users IS NULL;
COMMENT ON CONSTRAINT users_email_excl ON users IS NULL;
COMMENT ON CONSTRAINT users_email_key ON users IS NULL;
COMMENT ON CONSTRAINT users_pkey ON users IS NULL;
COMMENT ON CONSTRAINT users_team_id_fkey ON users IS NULL;
