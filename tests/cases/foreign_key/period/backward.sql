ALTER TABLE tasks DROP CONSTRAINT tasks_crew_during_fkey;
