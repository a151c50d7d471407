-- Shopify's id of the shop, from the first contact on: another store under the same domain is recognised by it.
ALTER TABLE shop ADD COLUMN shopify_id TEXT;
