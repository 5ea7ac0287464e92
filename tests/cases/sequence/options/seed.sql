INSERT INTO orders VALUES (nextval('order_no') + 10), (nextval('order_no') + 20);
