INSERT INTO items (price, name) VALUES (100, 'pen'), (250, 'ink');
