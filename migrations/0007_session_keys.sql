-- Keys that programs chose for one session each: whoever shows one may see that session and end it, and asking again with the same key
-- starts no second session. Only the key's hash is kept.
CREATE TABLE session_keys (
    key_hash    TEXT   NOT NULL PRIMARY KEY,
    session     TEXT   NOT NULL REFERENCES sessions (id),
    identity    TEXT   NOT NULL
);
