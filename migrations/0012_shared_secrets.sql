-- Secrets that all replicas share and nobody outside them: made at random by whichever needs one first.
CREATE TABLE shared_secrets (
    name    TEXT  NOT NULL PRIMARY KEY,
    secret  TEXT  NOT NULL
);
