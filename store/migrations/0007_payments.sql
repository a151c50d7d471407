-- What came of an order's payments, JSON. Null where nothing was said of them yet.
ALTER TABLE customer_order ADD COLUMN payments TEXT;
