-- Shopify's times are kept as the text they are compared as (RFC 3339, UTC); our own as microseconds since 1970.

CREATE TABLE meta (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  epoch INTEGER NOT NULL,
  -- Entries up to here were forgotten: a reader from before cannot be served without a gap.
  log_floor INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE shop (
  id INTEGER PRIMARY KEY,
  domain TEXT NOT NULL UNIQUE,
  thresholds TEXT NOT NULL
) STRICT;

-- Deliveries: the body until it is applied, the key as long as a retry may come.
CREATE TABLE delivery (
  arrival INTEGER PRIMARY KEY AUTOINCREMENT,
  shop INTEGER NOT NULL REFERENCES shop (id),
  webhook_id TEXT NOT NULL,
  topic TEXT NOT NULL,
  triggered_at TEXT,
  received_at INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'applied', 'ignored', 'unreadable')),
  reason TEXT,
  body BLOB,
  UNIQUE (shop, webhook_id)
) STRICT;
CREATE INDEX delivery_pending ON delivery (arrival) WHERE state = 'pending';
CREATE INDEX delivery_unreadable ON delivery (shop, arrival) WHERE state = 'unreadable';

CREATE TABLE location (
  shop INTEGER NOT NULL REFERENCES shop (id),
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  active INTEGER NOT NULL,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (shop, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE product (
  shop INTEGER NOT NULL REFERENCES shop (id),
  id INTEGER NOT NULL,
  title TEXT NOT NULL,
  handle TEXT NOT NULL,
  vendor TEXT NOT NULL,
  product_type TEXT NOT NULL,
  status TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (shop, id)
) STRICT, WITHOUT ROWID;

-- Records arrive in any order, so one may refer to another that is still to come: no foreign keys between them.
CREATE TABLE variant (
  shop INTEGER NOT NULL REFERENCES shop (id),
  id INTEGER NOT NULL,
  product_id INTEGER NOT NULL,
  title TEXT NOT NULL,
  sku TEXT,
  barcode TEXT,
  price TEXT NOT NULL,
  continue_selling INTEGER NOT NULL,
  inventory_item_id INTEGER,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (shop, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX variant_product ON variant (shop, product_id);
CREATE INDEX variant_item ON variant (shop, inventory_item_id);

CREATE TABLE inventory_item (
  shop INTEGER NOT NULL REFERENCES shop (id),
  id INTEGER NOT NULL,
  sku TEXT,
  tracked INTEGER NOT NULL,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (shop, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE level (
  shop INTEGER NOT NULL REFERENCES shop (id),
  inventory_item_id INTEGER NOT NULL,
  location_id INTEGER NOT NULL,
  gid TEXT,
  active INTEGER NOT NULL,
  -- What Shopify was last seen to say, by its names.
  available INTEGER NOT NULL,
  committed INTEGER NOT NULL,
  damaged INTEGER NOT NULL,
  incoming INTEGER NOT NULL,
  on_hand INTEGER NOT NULL,
  quality_control INTEGER NOT NULL,
  reserved INTEGER NOT NULL,
  safety_stock INTEGER NOT NULL,
  updated_at TEXT NOT NULL,
  -- What our unsettled commands will do to available.
  pending INTEGER NOT NULL,
  -- How it was judged last; null while it does not count.
  status TEXT,
  PRIMARY KEY (shop, inventory_item_id, location_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX level_location ON level (shop, location_id);

CREATE TABLE customer_order (
  shop INTEGER NOT NULL REFERENCES shop (id),
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  customer_id INTEGER,
  status TEXT NOT NULL,
  financial_status TEXT,
  fulfillment_status TEXT,
  total TEXT NOT NULL,
  currency TEXT NOT NULL,
  channel TEXT,
  locations TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (shop, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_line (
  shop INTEGER NOT NULL,
  order_id INTEGER NOT NULL,
  id INTEGER NOT NULL,
  variant_id INTEGER,
  title TEXT NOT NULL,
  sku TEXT,
  quantity INTEGER NOT NULL,
  PRIMARY KEY (shop, order_id, id),
  FOREIGN KEY (shop, order_id) REFERENCES customer_order (shop, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE customer (
  shop INTEGER NOT NULL REFERENCES shop (id),
  id INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (shop, id)
) STRICT, WITHOUT ROWID;

-- The log and the index by which a replay reads only what concerns it.
CREATE TABLE log (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  shop INTEGER NOT NULL REFERENCES shop (id),
  at INTEGER NOT NULL,
  event TEXT NOT NULL
) STRICT;

-- One row for each room of which a commit tells: its entries there, a JSON array, rising.
CREATE TABLE log_room (
  shop INTEGER NOT NULL,
  room TEXT NOT NULL,
  last INTEGER NOT NULL,
  sequences TEXT NOT NULL,
  PRIMARY KEY (shop, room, last)
) STRICT, WITHOUT ROWID;
CREATE INDEX log_room_last ON log_room (last);

-- Records to read again. Marking anew gives a new mark.
CREATE TABLE marked (
  mark INTEGER PRIMARY KEY AUTOINCREMENT,
  shop INTEGER NOT NULL REFERENCES shop (id),
  record TEXT NOT NULL,
  vain_readings INTEGER NOT NULL,
  due INTEGER NOT NULL,
  UNIQUE (shop, record)
) STRICT;

CREATE TABLE run (
  id TEXT PRIMARY KEY,
  shop INTEGER NOT NULL REFERENCES shop (id),
  resource TEXT NOT NULL,
  state TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  first INTEGER NOT NULL,
  since TEXT,
  until TEXT,
  resume TEXT NOT NULL,
  -- The run as clients see it, JSON.
  shape TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX run_started ON run (shop, started_at);
CREATE UNIQUE INDEX run_under_way ON run (shop, resource) WHERE state = 'running';

CREATE TABLE watermark (
  shop INTEGER NOT NULL REFERENCES shop (id),
  resource TEXT NOT NULL,
  until TEXT NOT NULL,
  PRIMARY KEY (shop, resource)
) STRICT, WITHOUT ROWID;
