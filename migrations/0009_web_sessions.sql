-- One-time links by which somebody whom a chat knows signs in to the pages. Only the token's hash is kept.
CREATE TABLE sign_in_links (
    token_hash  TEXT   NOT NULL PRIMARY KEY,
    identity    TEXT   NOT NULL,
    member      TEXT   NOT NULL,
    expires_at  BIGINT NOT NULL,
    used_at     BIGINT
);

-- Browsers that are signed in, each by a cookie of which only hashes are kept. Its one half stays (`family_hash`), so that an old one is
-- known for what it is; the other (`token_hash`) is exchanged from time to time. `before_hash` is of the one before, which counts until
-- `before_until`, or for as long as the new one was not seen. `form_key` makes the form tokens.
CREATE TABLE web_sessions (
    id            TEXT   NOT NULL PRIMARY KEY,
    family_hash   TEXT   NOT NULL,
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
CREATE UNIQUE INDEX web_sessions_by_family ON web_sessions (family_hash);
CREATE INDEX web_sessions_by_member ON web_sessions (member) WHERE ended_at IS NULL;
