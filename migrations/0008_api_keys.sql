-- Keys by which programs of a member's are recognized, by their hashes alone. A name is given once: it stays the key's, also after the
-- key was revoked, so that what the log says of it is of one key.
CREATE TABLE api_keys (
    name          TEXT   NOT NULL PRIMARY KEY,
    key_hash      TEXT   NOT NULL,
    member        TEXT   NOT NULL,
    scopes        TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    created_by    TEXT   NOT NULL,
    expires_at    BIGINT,
    revoked_at    BIGINT,
    last_used_at  BIGINT
);
CREATE UNIQUE INDEX api_keys_by_hash ON api_keys (key_hash);

-- Which key a session was started with.
CREATE TABLE api_key_sessions (
    session  TEXT   NOT NULL PRIMARY KEY REFERENCES sessions (id),
    api_key  TEXT   NOT NULL REFERENCES api_keys (name)
);
CREATE INDEX api_key_sessions_by_key ON api_key_sessions (api_key);

-- What callers named with an Idempotency-Key when they asked for a session: asking again starts no second one.
CREATE TABLE idempotency_keys (
    identity   TEXT   NOT NULL,
    key_hash   TEXT   NOT NULL,
    body_hash  TEXT   NOT NULL,
    session    TEXT   NOT NULL REFERENCES sessions (id),
    asked_at   BIGINT NOT NULL,
    PRIMARY KEY (identity, key_hash)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (asked_at);
