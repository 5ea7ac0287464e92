COMMENT ON CONSTRAINT users_age_check ON users IS 'Nobody is unborn.';
COMMENT ON CONSTRAINT users_email_excl ON users IS 'The same once more.';
COMMENT ON CONSTRAINT users_email_key ON users IS 'To sign in with.';
COMMENT ON CONSTRAINT users_pkey ON users IS 'The number on the badge.';
COMMENT ON CONSTRAINT users_team_id_fkey ON users IS 'Where the desk is.';
