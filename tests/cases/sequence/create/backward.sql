DROP SEQUENCE shop.order_no;
