-- Each entry's hash covers the entry and the hash before it (core/src/domain/audit_chain.rs). The head keeps the last hash, so that
-- cutting entries off shows. Entries from before this migration have no hash: the chain begins at `chained_from`.
ALTER TABLE audit_events ADD COLUMN prev_hash TEXT;
ALTER TABLE audit_events ADD COLUMN hash TEXT;
ALTER TABLE audit_head ADD COLUMN hash TEXT;
ALTER TABLE audit_head ADD COLUMN chained_from BIGINT NOT NULL DEFAULT 1;
UPDATE audit_head SET chained_from = seq + 1;
