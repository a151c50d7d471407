-- Where commands do not apply: at a fulfilment service's location, and to a bundle, which has no stock of its own.
ALTER TABLE location ADD COLUMN fulfillment_service INTEGER NOT NULL DEFAULT 0;
ALTER TABLE variant ADD COLUMN bundle INTEGER;

-- What staff asked for and what became of it: the audit trail. `record` is the whole of it, JSON.
CREATE TABLE command (
  shop INTEGER NOT NULL REFERENCES shop (id),
  id TEXT NOT NULL,
  given INTEGER NOT NULL,
  by_user TEXT NOT NULL,
  state TEXT NOT NULL,
  idempotency_key TEXT,
  record TEXT NOT NULL,
  PRIMARY KEY (shop, id)
) STRICT;
CREATE UNIQUE INDEX command_key ON command (shop, by_user, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX command_given ON command (shop, given);

CREATE TABLE reservation (
  shop INTEGER NOT NULL REFERENCES shop (id),
  id TEXT NOT NULL,
  open INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  record TEXT NOT NULL,
  PRIMARY KEY (shop, id)
) STRICT;
CREATE INDEX reservation_due ON reservation (shop, expires_at, id) WHERE open;

-- What accepted commands will do at Shopify, until a reading of the level has shown it.
CREATE TABLE effect (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  shop INTEGER NOT NULL REFERENCES shop (id),
  inventory_item_id INTEGER NOT NULL,
  location_id INTEGER NOT NULL,
  command TEXT,
  reservation TEXT,
  lane TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  -- What it does to available and to on_hand.
  available INTEGER NOT NULL,
  on_hand INTEGER NOT NULL,
  given INTEGER NOT NULL,
  stale INTEGER NOT NULL DEFAULT 0,
  attempt TEXT,
  answered INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX effect_waiting ON effect (shop, id) WHERE attempt IS NULL;
CREATE INDEX effect_level ON effect (shop, inventory_item_id, location_id);
CREATE INDEX effect_attempt ON effect (attempt) WHERE attempt IS NOT NULL;
CREATE INDEX effect_command ON effect (command) WHERE command IS NOT NULL;
CREATE INDEX effect_reservation ON effect (reservation) WHERE reservation IS NOT NULL;

-- Calls to Shopify with their exact bytes, kept until they are answered.
CREATE TABLE attempt (
  id TEXT PRIMARY KEY,
  shop INTEGER NOT NULL REFERENCES shop (id),
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  begun INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Levels that an attempt is changing, or has changed and that were not read since.
CREATE TABLE flight (
  shop INTEGER NOT NULL REFERENCES shop (id),
  inventory_item_id INTEGER NOT NULL,
  location_id INTEGER NOT NULL,
  attempt TEXT NOT NULL,
  answered INTEGER NOT NULL,
  PRIMARY KEY (shop, inventory_item_id, location_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX flight_attempt ON flight (attempt);
