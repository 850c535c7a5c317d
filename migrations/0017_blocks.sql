-- Why a resource refuses additions of one address family (4 or 6), until one is accepted. Openings that wait for it stay as they are:
-- they are not due before `probe_at`, when the oldest `batch` of them are tried. `fewer_than`: so many did not fit. `rules_seen`: how
-- many rules of the family the list had when it refused; a list that shows another number is tried at once. `untold`: 1 while session
-- rules may not show the reason yet.
CREATE TABLE blocks (
    resource    TEXT   NOT NULL,
    family      BIGINT NOT NULL,
    cause       TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    since       BIGINT NOT NULL,
    probe_at    BIGINT NOT NULL,
    attempts    BIGINT NOT NULL,
    batch       BIGINT NOT NULL,
    fewer_than  BIGINT,
    rules_seen  BIGINT,
    untold      BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (resource, family)
);

ALTER TABLE openings ADD COLUMN family BIGINT NOT NULL DEFAULT 4;
UPDATE openings SET family = 6 WHERE address LIKE '%:%';

-- Additions that are due, by what may block them; and everything else that is due, by time and by resource. Thousands of waiting
-- additions are not read to find out that there is nothing to do.
CREATE INDEX openings_to_add ON openings (resource, family, due_at)
    WHERE due_at IS NOT NULL AND state = 'ADDING' AND closing = 0;
CREATE INDEX openings_urgent ON openings (due_at, resource, closing, state)
    WHERE due_at IS NOT NULL AND (state <> 'ADDING' OR closing = 1);
CREATE INDEX openings_urgent_by_resource ON openings (resource, due_at)
    WHERE due_at IS NOT NULL AND (state <> 'ADDING' OR closing = 1);
DROP INDEX openings_due_by_resource;
DROP INDEX openings_by_urgency;
