-- How far each webhook's receiver has been told of the audit log, which is the outbox: an entry is there in the transaction of its
-- change. `next_seq` is the entry to look at next. One replica at a time holds the lease.
CREATE TABLE webhooks (
    name         TEXT   NOT NULL PRIMARY KEY,
    url          TEXT   NOT NULL,
    next_seq     BIGINT NOT NULL,
    lease_until  BIGINT NOT NULL DEFAULT 0,
    due_at       BIGINT NOT NULL DEFAULT 0,
    attempts     BIGINT NOT NULL DEFAULT 0,
    body         TEXT,
    error        TEXT,
    disabled_at  BIGINT
);
