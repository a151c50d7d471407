-- Bodies apart from deliveries. A row that once held a body keeps the room of it when the body goes, so a page of them
-- held one or two; rows of bodies go whole, and their pages are used again. The deliveries are copied into new pages for
-- the same reason: those of the old ones are free then, and used before the file grows.
CREATE TABLE delivery_copy (
  arrival INTEGER PRIMARY KEY,
  shop INTEGER NOT NULL REFERENCES shop (id),
  webhook_id TEXT NOT NULL,
  topic TEXT NOT NULL,
  triggered_at TEXT,
  received_at INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'applied', 'ignored', 'unreadable')),
  reason TEXT,
  -- What it was signed with: the headers are not signed, so an id alone does not tell a repetition.
  signature BLOB,
  UNIQUE (shop, webhook_id)
) STRICT;
INSERT INTO delivery_copy
  SELECT arrival, shop, webhook_id, topic, triggered_at, received_at, state, reason, signature FROM delivery ORDER BY arrival;

-- Of a delivery that waits, or that could not be read; it goes with the delivery.
CREATE TABLE delivery_body (
  arrival INTEGER PRIMARY KEY REFERENCES delivery_copy (arrival) ON DELETE CASCADE,
  body BLOB NOT NULL
) STRICT;
INSERT INTO delivery_body SELECT arrival, body FROM delivery WHERE body IS NOT NULL ORDER BY arrival;

-- With its indexes and triggers.
DROP TABLE delivery;
-- What refers to it follows.
ALTER TABLE delivery_copy RENAME TO delivery;
CREATE INDEX delivery_pending ON delivery (arrival) WHERE state = 'pending';
CREATE INDEX delivery_unreadable ON delivery (shop, arrival) WHERE state = 'unreadable';

-- As in 0014.
CREATE TRIGGER delivery_added AFTER INSERT ON delivery BEGIN
  INSERT INTO delivery_count (shop, topic, state, deliveries) VALUES (new.shop, new.topic, new.state, 1)
    ON CONFLICT (shop, topic, state) DO UPDATE SET deliveries = deliveries + 1;
END;
CREATE TRIGGER delivery_removed AFTER DELETE ON delivery BEGIN
  UPDATE delivery_count SET deliveries = deliveries - 1
    WHERE shop = old.shop AND topic = old.topic AND state = old.state;
END;
CREATE TRIGGER delivery_settled AFTER UPDATE OF state ON delivery WHEN new.state <> old.state BEGIN
  UPDATE delivery_count SET deliveries = deliveries - 1
    WHERE shop = old.shop AND topic = old.topic AND state = old.state;
  INSERT INTO delivery_count (shop, topic, state, deliveries) VALUES (new.shop, new.topic, new.state, 1)
    ON CONFLICT (shop, topic, state) DO UPDATE SET deliveries = deliveries + 1;
END;
