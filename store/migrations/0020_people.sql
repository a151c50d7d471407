-- The people of an installation. They are of no shop.
CREATE TABLE local_user (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  -- JSON lists; null is all.
  locations TEXT,
  shops TEXT,
  language TEXT,
  disabled INTEGER NOT NULL,
  -- A hash with its parameters; null until a password is set.
  password TEXT,
  created_at INTEGER NOT NULL,
  last_seen_at INTEGER
) STRICT, WITHOUT ROWID;

-- Where they are signed in. The cookie itself is kept nowhere, only its hash.
CREATE TABLE user_login (
  id TEXT PRIMARY KEY,
  hash BLOB NOT NULL,
  user TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  user_agent TEXT
) STRICT, WITHOUT ROWID;

-- The link by which a user sets a password; one at a time, and of it, too, only the hash.
CREATE TABLE login_link (
  user TEXT PRIMARY KEY,
  hash BLOB NOT NULL,
  until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
