ALTER TABLE people DROP CONSTRAINT people_team_id_fkey;
ALTER TABLE teams DROP CONSTRAINT teams_leader_id_fkey;
DROP TABLE people;
DROP TABLE teams;
