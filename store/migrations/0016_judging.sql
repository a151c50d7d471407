-- How far a shop's levels are judged against its new thresholds, JSON; null while they all are.
ALTER TABLE shop ADD COLUMN judging TEXT;
