INSERT INTO orders (status, past) VALUES ('live', '{draft}'), ('long gone', '{draft,live}');
