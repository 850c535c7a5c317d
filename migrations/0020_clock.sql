-- The time that rules every decision never goes back: this is the latest that was persisted (core/src/store/time.rs). `generation` counts
-- how often an operator accepted a clock that had gone back. `monotonic` is what the monotonic clock of `boot` read at `latest`; NULL
-- where that is not known.
CREATE TABLE clock (
    singleton   TEXT   NOT NULL PRIMARY KEY,
    latest      BIGINT NOT NULL,
    generation  BIGINT NOT NULL,
    boot        TEXT,
    monotonic   BIGINT
);
INSERT INTO clock (singleton, latest, generation)
    SELECT 'this', COALESCE(MAX(at), 0), 0 FROM audit_events WHERE seq = (SELECT MAX(seq) FROM audit_events);
