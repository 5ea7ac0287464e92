INSERT INTO orders VALUES (1), (2);
SELECT setval('order_no', 50);
