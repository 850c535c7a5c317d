-- Keys that programs chose for one session each: whoever shows one may see that session and end it, and asking again with the same key
-- starts no second session. Only the key's hash is kept.
CREATE TABLE session_keys (
    key_hash    TEXT   NOT NULL PRIMARY KEY,
    session     TEXT   NOT NULL REFERENCES sessions (id),
    identity    TEXT   NOT NULL
);

-- Which run of a workflow a session was started by: it ends with the run, whatever became of the job.
CREATE TABLE session_runs (
    session  TEXT   NOT NULL PRIMARY KEY REFERENCES sessions (id),
    run      TEXT   NOT NULL
);
CREATE INDEX session_runs_by_run ON session_runs (run);
