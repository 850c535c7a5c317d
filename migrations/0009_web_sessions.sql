-- One-time links by which somebody whom a chat knows signs in to the pages. Only the token's hash is kept.
CREATE TABLE sign_in_links (
    token_hash  TEXT   NOT NULL PRIMARY KEY,
    identity    TEXT   NOT NULL,
    member      TEXT   NOT NULL,
    expires_at  BIGINT NOT NULL,
    used_at     BIGINT
);

-- Browsers that are signed in, each by a cookie of which only the hash is kept. The cookie is exchanged from time to time; `before_hash`
-- is of the one before, which counts until `before_until`, or for as long as the new one was not seen. `form_key` makes the form tokens.
CREATE TABLE web_sessions (
    id            TEXT   NOT NULL PRIMARY KEY,
    token_hash    TEXT   NOT NULL,
    before_hash   TEXT,
    before_until  BIGINT,
    form_key      TEXT   NOT NULL,
    identity      TEXT   NOT NULL,
    member        TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    renewed_at    BIGINT NOT NULL,
    seen_at       BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    ended_at      BIGINT
);
CREATE UNIQUE INDEX web_sessions_by_token ON web_sessions (token_hash);
CREATE UNIQUE INDEX web_sessions_by_token_before ON web_sessions (before_hash) WHERE before_hash IS NOT NULL;
CREATE INDEX web_sessions_by_member ON web_sessions (member) WHERE ended_at IS NULL;
