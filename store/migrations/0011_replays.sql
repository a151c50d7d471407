-- When a shop was registered first: orders that were made before are no news when they are first heard of.
ALTER TABLE shop ADD COLUMN known_since INTEGER;
UPDATE shop SET known_since = (SELECT min(started_at) FROM run WHERE run.shop = shop.id AND first);

-- Customers who were to be forgotten: what was said of them before is not taken in again. Kept as long as deliveries are.
CREATE TABLE redacted (
  shop INTEGER NOT NULL REFERENCES shop (id),
  customer INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (shop, customer)
) STRICT, WITHOUT ROWID;

-- What a delivery was signed with: the headers are not signed, so an id alone does not tell a repetition.
ALTER TABLE delivery ADD COLUMN signature BLOB;
