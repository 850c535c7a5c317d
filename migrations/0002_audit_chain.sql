-- Each entry of the audit log bears the hash of itself and of the one before it; the head bears the last one's, so that a cut is seen.
-- Entries from before have none: the chain begins after them.
ALTER TABLE audit_events ADD COLUMN prev_hash TEXT;
ALTER TABLE audit_events ADD COLUMN hash TEXT;
ALTER TABLE audit_head ADD COLUMN hash TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_head ADD COLUMN chained_from BIGINT NOT NULL DEFAULT 1;
UPDATE audit_head SET chained_from = seq + 1;
