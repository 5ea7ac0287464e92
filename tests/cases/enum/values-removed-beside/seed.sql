INSERT INTO people (mood) VALUES ('ok'), ('happy');
