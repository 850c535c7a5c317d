-- Whether somebody else has to agree to a session, and did. Nothing is opened for one that is AWAITED: it has no rules.
ALTER TABLE sessions ADD COLUMN approval TEXT NOT NULL DEFAULT 'NOT_NEEDED';
ALTER TABLE sessions ADD COLUMN approved_by TEXT;
ALTER TABLE sessions ADD COLUMN asked_ms BIGINT;
-- When its member is told that it ends soon; once.
ALTER TABLE sessions ADD COLUMN remind_at BIGINT;
CREATE INDEX sessions_by_reminder ON sessions (remind_at) WHERE remind_at IS NOT NULL;

-- Whether the member may do without an approval; how the address was learnt in the end; and what the page saw of the other family.
ALTER TABLE confirmations ADD COLUMN break_glass BIGINT;
ALTER TABLE confirmations ADD COLUMN learnt_by TEXT;
ALTER TABLE confirmations ADD COLUMN seen_ipv4 TEXT;
ALTER TABLE confirmations ADD COLUMN seen_ipv6 TEXT;
CREATE INDEX confirmations_by_member ON confirmations (member, used_at) WHERE used_at IS NOT NULL;

-- What chats show of a session: its thread, and what approvers and administrators are shown. Each is a projection that is due
-- whenever the session has changed.
CREATE TABLE posts (
    id        TEXT   NOT NULL PRIMARY KEY,
    session   TEXT   NOT NULL REFERENCES sessions (id),
    surface   TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    place     TEXT   NOT NULL,
    posted    TEXT,
    shown     TEXT,
    version   BIGINT NOT NULL DEFAULT 0,
    due_at    BIGINT,
    attempts  BIGINT NOT NULL DEFAULT 0
);
INSERT INTO posts (id, session, surface, kind, place, posted, shown, version, due_at, attempts)
    SELECT session, session, surface, 'THREAD', place, posted, shown, version, due_at, attempts FROM threads;
DROP TABLE threads;
CREATE INDEX posts_by_due ON posts (surface, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX posts_by_session ON posts (session);

-- When each channel of a chat takes the next message: shared by all replicas.
CREATE TABLE channels (
    surface  TEXT   NOT NULL,
    channel  TEXT   NOT NULL,
    free_at  BIGINT NOT NULL,
    PRIMARY KEY (surface, channel)
);
