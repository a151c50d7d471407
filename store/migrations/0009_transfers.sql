-- What was told last of a transfer, JSON, by which a repetition and what is older are known.
CREATE TABLE transfer (
  shop INTEGER NOT NULL REFERENCES shop (id),
  id INTEGER NOT NULL,
  told TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (shop, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX transfer_at ON transfer (at);
