-- What the planner is to take for granted. Without figures it takes a shop for a few rows, and reads all of its
-- variants to find the one of an item. Fixed ones, so that statements are carried out alike everywhere.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('level', 'level', '500000 500000 5 1'),
  ('level', 'level_location', '500000 500000 100000'),
  ('variant', 'variant', '100000 100000 1'),
  ('variant', 'variant_item', '100000 100000 1'),
  ('variant', 'variant_product', '100000 100000 4');
-- Has this connection take note of them.
ANALYZE sqlite_schema;
