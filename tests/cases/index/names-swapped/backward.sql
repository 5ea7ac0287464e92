ALTER INDEX first RENAME TO first__chameleon;
ALTER INDEX second RENAME TO first;
ALTER INDEX first__chameleon RENAME TO second;
DROP INDEX third;
CREATE INDEX third ON items(size, kind);
