ALTER TABLE books ADD CONSTRAINT books_isbn_key UNIQUE (isbn);
ALTER TABLE loans DROP CONSTRAINT loans_isbn_fkey;
DROP INDEX idx_books_isbn;
ALTER TABLE loans ADD CONSTRAINT loans_isbn_fkey FOREIGN KEY (isbn) REFERENCES books(isbn);
