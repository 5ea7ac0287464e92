INSERT INTO items (price) VALUES (100), (250);
