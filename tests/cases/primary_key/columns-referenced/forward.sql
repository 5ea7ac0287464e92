ALTER TABLE books DROP CONSTRAINT books_pkey;
ALTER TABLE books ADD CONSTRAINT books_pkey PRIMARY KEY (id, isbn);
