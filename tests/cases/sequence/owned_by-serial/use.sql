INSERT INTO orders (note) VALUES ('third');
