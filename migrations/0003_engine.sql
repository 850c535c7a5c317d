-- Since when a rule that was told to go has not been seen any more; it is gone for good when later reads agree.
ALTER TABLE openings ADD COLUMN unseen_since BIGINT;
-- A hint for the order in which due openings are taken: 1 where a removal is due.
ALTER TABLE openings ADD COLUMN closing BIGINT NOT NULL DEFAULT 0;
CREATE INDEX openings_by_urgency ON openings (closing, due_at) WHERE due_at IS NOT NULL;

-- What a provider lets us call: one bucket for each (credential, region, API), shared by all replicas.
CREATE TABLE buckets (
    api          TEXT   NOT NULL PRIMARY KEY,
    tokens_milli BIGINT NOT NULL,
    rate_milli   BIGINT NOT NULL,
    refilled_at  BIGINT NOT NULL
);

-- What the last sweep of a resource ended with, and what it found and left for the next one to confirm.
CREATE TABLE sweeps (
    resource   TEXT   NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    error      TEXT,
    held_back  TEXT   NOT NULL
);

-- What was found to be not as it should be, and whether the chat has told of it.
CREATE TABLE drifts (
    id        TEXT   NOT NULL PRIMARY KEY,
    at        BIGINT NOT NULL,
    kind      TEXT   NOT NULL,
    resource  TEXT,
    what      TEXT   NOT NULL,
    taken_at  BIGINT,
    told_at   BIGINT
);
CREATE INDEX drifts_untold ON drifts (at) WHERE told_at IS NULL;

-- What was closed at once, and stays closed until somebody lifts it.
CREATE TABLE panics (
    id         TEXT   NOT NULL PRIMARY KEY,
    scope      TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    reason     TEXT,
    at         BIGINT NOT NULL,
    closed_by  TEXT   NOT NULL,
    lifted_at  BIGINT,
    lifted_by  TEXT
);
CREATE INDEX panics_in_force ON panics (scope, name) WHERE lifted_at IS NULL;
CREATE INDEX sessions_closing ON sessions (ended_at) WHERE ended_at IS NOT NULL AND closed_at IS NULL;

-- Rows that cannot be read are set aside: the rest goes on.
ALTER TABLE sessions ADD COLUMN quarantined_at BIGINT;
ALTER TABLE session_rules ADD COLUMN quarantined_at BIGINT;
ALTER TABLE openings ADD COLUMN quarantined_at BIGINT;

-- What is due on one resource, and what stands in its way at the same address.
CREATE INDEX openings_due_by_resource ON openings (resource, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX openings_by_address ON openings (resource, address) WHERE state <> 'GONE';
