INSERT INTO feelings VALUES ('sad'), ('ok');
INSERT INTO people (mood, moods) VALUES ('sad', '{sad,ok}'), ('ok', DEFAULT);
