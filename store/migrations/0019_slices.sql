-- Whole-shop work that is done in slices, and how far it is, as JSON; null where none is under way.
-- Customers' names that are being forgotten.
ALTER TABLE shop ADD COLUMN erasing TEXT;
-- Locations that opened or closed, whose levels are being judged anew.
ALTER TABLE shop ADD COLUMN moved TEXT;
-- A customer who is being forgotten, with the last entry of the log that is concerned.
ALTER TABLE redacted ADD COLUMN erasing TEXT;
CREATE INDEX redacted_erasing ON redacted (shop) WHERE erasing IS NOT NULL;
