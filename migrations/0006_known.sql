-- What surfaces have told of people since the configuration was read. `version` counts the changes, and is locked by whoever changes
-- it, so that every replica knows whether what it remembers is the newest.
CREATE TABLE known (
    singleton  TEXT   NOT NULL PRIMARY KEY,
    version    BIGINT NOT NULL
);
INSERT INTO known (singleton, version) VALUES ('this', 0);

-- Which of a surface's own roles somebody holds, as it was last seen.
CREATE TABLE held_roles (
    identity  TEXT   NOT NULL,
    role      TEXT   NOT NULL,
    seen_at   BIGINT NOT NULL,
    PRIMARY KEY (identity, role)
);

-- Identities that people joined to a member, each with a one-time code that was given out elsewhere. Only the code's hash is kept.
CREATE TABLE joined_identities (
    identity   TEXT   NOT NULL PRIMARY KEY,
    member     TEXT   NOT NULL,
    joined_at  BIGINT NOT NULL
);
CREATE TABLE join_codes (
    code_hash   TEXT   NOT NULL PRIMARY KEY,
    identity    TEXT   NOT NULL,
    expires_at  BIGINT NOT NULL,
    used_at     BIGINT
);
