-- By what a repetition of something that was posted is known again, and where the first one is in the log.
CREATE TABLE posted (
  shop INTEGER NOT NULL REFERENCES shop (id),
  key BLOB NOT NULL,
  sequence INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (shop, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX posted_at ON posted (at);
