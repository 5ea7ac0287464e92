ALTER TABLE books ADD CONSTRAINT books_id_key UNIQUE (id);
ALTER TABLE loans DROP CONSTRAINT loans_book_id_fkey;
ALTER TABLE books DROP CONSTRAINT books_pkey;
ALTER TABLE books ADD CONSTRAINT books_pkey PRIMARY KEY (id, edition);
ALTER TABLE loans ADD CONSTRAINT loans_book_id_fkey FOREIGN KEY (book_id) REFERENCES books(id);
