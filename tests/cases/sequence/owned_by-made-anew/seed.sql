INSERT INTO orders VALUES (1, 12), (2, 25);
SELECT nextval('order_no') FROM generate_series(1, 7);
