CREATE TABLE people (
    id INTEGER NOT NULL,
    team_id INTEGER NOT NULL,
    boss_id INTEGER,
    CONSTRAINT people_pkey PRIMARY KEY (id)
);
CREATE TABLE teams (
    id INTEGER NOT NULL,
    leader_id INTEGER,
    CONSTRAINT teams_pkey PRIMARY KEY (id)
);
ALTER TABLE people ADD CONSTRAINT people_boss_id_fkey FOREIGN KEY (boss_id) REFERENCES people(id);
ALTER TABLE people ADD CONSTRAINT people_team_id_fkey FOREIGN KEY (team_id) REFERENCES teams(id);
ALTER TABLE teams ADD CONSTRAINT teams_leader_id_fkey FOREIGN KEY (leader_id) REFERENCES people(id);
