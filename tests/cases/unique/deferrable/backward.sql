ALTER TABLE users DROP CONSTRAINT users_rank_key;
ALTER TABLE users ADD CONSTRAINT users_rank_key UNIQUE (rank);
