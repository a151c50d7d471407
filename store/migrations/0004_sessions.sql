-- What is private to this installation and outlives the process: sessions are sealed with it.
ALTER TABLE meta ADD COLUMN secret BLOB;

-- The rooms of a Socket.IO session, so that it can be recovered by whoever holds its sealed id.
CREATE TABLE session (
  id TEXT PRIMARY KEY,
  rooms TEXT NOT NULL,
  kept_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_kept_at ON session (kept_at);

-- Tokens and users whose tokens are no longer taken, until the last of these would have run out by itself.
CREATE TABLE revocation (
  kind TEXT NOT NULL CHECK (kind IN ('token', 'user')),
  id TEXT NOT NULL,
  at INTEGER NOT NULL,
  until INTEGER NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
