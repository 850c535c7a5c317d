-- The ticks of schedules: each starts one session, whichever replica sees it first. One whose start was refused has no session yet, and
-- is tried again while its time lasts.
CREATE TABLE schedule_ticks (
    schedule  TEXT   NOT NULL,
    tick      BIGINT NOT NULL,
    session   TEXT,
    tried_at  BIGINT NOT NULL,
    error     TEXT,
    PRIMARY KEY (schedule, tick)
);
CREATE INDEX schedule_ticks_by_session ON schedule_ticks (session) WHERE session IS NOT NULL;
