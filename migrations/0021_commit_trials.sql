-- Whether the database takes commits is found out by making one: each replica counts this row up every few seconds.
CREATE TABLE commit_trials (
    singleton  TEXT   NOT NULL PRIMARY KEY,
    trials     BIGINT NOT NULL,
    at         BIGINT NOT NULL
);
