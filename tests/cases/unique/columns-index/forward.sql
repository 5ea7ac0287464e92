CREATE UNIQUE INDEX idx_books_isbn ON books(isbn);
ALTER TABLE loans DROP CONSTRAINT loans_isbn_fkey;
ALTER TABLE books DROP CONSTRAINT books_isbn_key;
ALTER TABLE loans ADD CONSTRAINT loans_isbn_fkey FOREIGN KEY (isbn) REFERENCES books(isbn);
