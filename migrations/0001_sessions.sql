-- One text for SQLite and Postgres, through sqlx's `Any` driver: TEXT and BIGINT alone.
-- Times are milliseconds since the epoch; ids are UUID text; lists and details are JSON text.

-- This installation's id, which every rule that it makes bears as its owner.
CREATE TABLE deployment (
    singleton   TEXT   NOT NULL PRIMARY KEY,
    id          TEXT   NOT NULL,
    created_at  BIGINT NOT NULL
);

-- A row to lock while a member's sessions are counted.
CREATE TABLE members (
    name        TEXT   NOT NULL PRIMARY KEY,
    first_seen  BIGINT NOT NULL
);

-- A row to lock while wishes for a resource change, and the lease of the worker that acts on it.
CREATE TABLE resources (
    name         TEXT   NOT NULL PRIMARY KEY,
    lease_owner  TEXT,
    lease_until  BIGINT NOT NULL DEFAULT 0,
    fence        BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE sessions (
    id          TEXT   NOT NULL PRIMARY KEY,
    member      TEXT   NOT NULL,
    surface     TEXT   NOT NULL,
    reason      TEXT,
    ipv4        TEXT,
    ipv6        TEXT,
    started_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    end_reason  TEXT,
    ended_at    BIGINT,
    ended_by    TEXT,
    closed_at   BIGINT
);
CREATE INDEX sessions_by_end ON sessions (expires_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_member ON sessions (member, started_at);

-- One instance of the one real rule for (resource, address). Never revived: a new wish makes a new row.
CREATE TABLE openings (
    id            TEXT   NOT NULL PRIMARY KEY,
    resource      TEXT   NOT NULL,
    address       TEXT   NOT NULL,
    state         TEXT   NOT NULL,
    rules         TEXT   NOT NULL,
    marked_until  BIGINT,
    due_at        BIGINT,
    attempts      BIGINT NOT NULL DEFAULT 0,
    error         TEXT,
    created_at    BIGINT NOT NULL,
    present_at    BIGINT,
    gone_at       BIGINT
);
CREATE UNIQUE INDEX openings_joinable ON openings (resource, address) WHERE state IN ('ADDING', 'PRESENT');
CREATE INDEX openings_by_due ON openings (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX openings_by_resource ON openings (resource) WHERE state <> 'GONE';

CREATE TABLE session_rules (
    id          TEXT   NOT NULL PRIMARY KEY,
    session     TEXT   NOT NULL REFERENCES sessions (id),
    resource    TEXT   NOT NULL,
    address     TEXT   NOT NULL,
    opening     TEXT   NOT NULL REFERENCES openings (id),
    status      TEXT   NOT NULL,
    applied_at  BIGINT,
    removed_at  BIGINT,
    error       TEXT,
    UNIQUE (session, resource, address)
);
CREATE INDEX session_rules_by_opening ON session_rules (opening);

-- One-time links. Only the token's hash is kept.
CREATE TABLE confirmations (
    id           TEXT   NOT NULL PRIMARY KEY,
    token_hash   TEXT   NOT NULL UNIQUE,
    member       TEXT   NOT NULL,
    surface      TEXT   NOT NULL,
    duration_ms  BIGINT NOT NULL,
    reason       TEXT,
    place        TEXT,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    used_at      BIGINT,
    session      TEXT
);

-- What a chat shows of a session: a projection that is due whenever the session has changed.
CREATE TABLE threads (
    session     TEXT   NOT NULL PRIMARY KEY REFERENCES sessions (id),
    surface     TEXT   NOT NULL,
    place       TEXT   NOT NULL,
    posted      TEXT,
    shown       TEXT,
    version     BIGINT NOT NULL DEFAULT 0,
    due_at      BIGINT,
    attempts    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX threads_by_due ON threads (surface, due_at) WHERE due_at IS NOT NULL;

-- Signed requests that were accepted, so that none is accepted twice.
CREATE TABLE accepted_requests (
    signature    TEXT   NOT NULL PRIMARY KEY,
    accepted_at  BIGINT NOT NULL
);
CREATE INDEX accepted_requests_by_time ON accepted_requests (accepted_at);

-- The log's order is its own: times may be equal. The one row is locked last in every transaction.
CREATE TABLE audit_head (
    id   TEXT   NOT NULL PRIMARY KEY,
    seq  BIGINT NOT NULL
);
INSERT INTO audit_head (id, seq) VALUES ('head', 0);
CREATE TABLE audit_events (
    id       TEXT   NOT NULL PRIMARY KEY,
    seq      BIGINT NOT NULL UNIQUE,
    at       BIGINT NOT NULL,
    actor    TEXT   NOT NULL,
    surface  TEXT,
    action   TEXT   NOT NULL,
    session  TEXT,
    details  TEXT   NOT NULL
);
CREATE INDEX audit_events_by_session ON audit_events (session, seq);
