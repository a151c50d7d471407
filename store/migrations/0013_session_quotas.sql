-- Whose a session is: a code of the user, which tells nobody who that is.
ALTER TABLE session ADD COLUMN owner TEXT NOT NULL DEFAULT '';
CREATE INDEX session_owner ON session (owner, kept_at);

-- How many records each owner has and how many bytes of them; '*' counts all. Triggers keep it, so that it is right after
-- whatever is undone, and nothing has to be counted.
CREATE TABLE session_use (
  owner TEXT PRIMARY KEY,
  records INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  -- When the newest record was written of those that made room for others.
  evicted_at INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO session_use (owner, records, bytes)
  SELECT '*', count(*), coalesce(sum(length(CAST(rooms AS BLOB))), 0) FROM session;
INSERT INTO session_use (owner, records, bytes)
  SELECT '', count(*), coalesce(sum(length(CAST(rooms AS BLOB))), 0) FROM session;

CREATE TRIGGER session_added AFTER INSERT ON session BEGIN
  INSERT INTO session_use (owner, records, bytes)
    VALUES (new.owner, 1, length(CAST(new.rooms AS BLOB))), ('*', 1, length(CAST(new.rooms AS BLOB)))
    ON CONFLICT (owner) DO UPDATE SET records = records + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER session_removed AFTER DELETE ON session BEGIN
  UPDATE session_use SET records = records - 1, bytes = bytes - length(CAST(old.rooms AS BLOB))
    WHERE owner IN (old.owner, '*');
END;
CREATE TRIGGER session_changed AFTER UPDATE ON session BEGIN
  UPDATE session_use SET records = records - 1, bytes = bytes - length(CAST(old.rooms AS BLOB))
    WHERE owner IN (old.owner, '*');
  INSERT INTO session_use (owner, records, bytes)
    VALUES (new.owner, 1, length(CAST(new.rooms AS BLOB))), ('*', 1, length(CAST(new.rooms AS BLOB)))
    ON CONFLICT (owner) DO UPDATE SET records = records + 1, bytes = bytes + excluded.bytes;
END;
