-- A full run found the record missing, or otherwise at the same time: a reading tells which is right.
ALTER TABLE marked ADD COLUMN run TEXT;
CREATE INDEX marked_run ON marked (run) WHERE run IS NOT NULL;

-- What full runs had to put right, and what dry ones found.
CREATE TABLE drift (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  shop INTEGER NOT NULL REFERENCES shop (id),
  run TEXT NOT NULL,
  record TEXT NOT NULL,
  -- JSON.
  wrong TEXT NOT NULL,
  since TEXT,
  found INTEGER NOT NULL
) STRICT;
CREATE INDEX drift_run ON drift (shop, run);
