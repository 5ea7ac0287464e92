INSERT INTO orders VALUES (1, nextval('order_no')), (2, nextval('order_no'));
