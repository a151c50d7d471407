-- How far each reader outside is with the log, and what became of what was sent to it, as JSON.
CREATE TABLE reader (
  name TEXT PRIMARY KEY,
  position TEXT NOT NULL
) STRICT, WITHOUT ROWID;
