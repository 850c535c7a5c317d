-- For how long a tick's session was meant to be: a schedule that is given another duration starts another in its place. NULL where the
-- session was started before this was kept.
ALTER TABLE schedule_ticks ADD COLUMN duration BIGINT;
