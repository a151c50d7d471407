-- Of a customer, where an administrator wants it.
ALTER TABLE customer ADD COLUMN name TEXT;
-- Whether that is so in this shop.
ALTER TABLE shop ADD COLUMN names INTEGER NOT NULL DEFAULT 0;
