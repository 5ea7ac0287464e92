ALTER TABLE tasks ADD CONSTRAINT tasks_crew_during_fkey FOREIGN KEY (crew, PERIOD during) REFERENCES shifts(crew, PERIOD during);
