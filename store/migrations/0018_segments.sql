-- The index of rooms in segments of some thousand entries, each written once: a row for every room of every commit cost
-- more pages than all else that the commit wrote. Behind the last segment the index is in memory, made from the log.
CREATE TABLE log_segment (
  -- No entry of the segment is behind this one.
  last INTEGER NOT NULL,
  shop INTEGER NOT NULL,
  room TEXT NOT NULL,
  sequences TEXT NOT NULL,
  PRIMARY KEY (last, shop, room)
) STRICT, WITHOUT ROWID;
INSERT INTO log_segment
  SELECT min((last / 4096 + 1) * 4096, (SELECT max(last) FROM log_room)) AS segment, shop, room,
    json_group_array(entry.value ORDER BY entry.value)
  FROM log_room, json_each(sequences) AS entry GROUP BY segment, shop, room;
DROP TABLE log_room;
