INSERT INTO orders (note) VALUES ('first'), ('second'); DELETE FROM orders WHERE id = 2;
