-- Identities whose surface says that their person is gone, until it says otherwise: nothing is opened for their members, wherever they
-- ask.
CREATE TABLE departed_identities (
    identity    TEXT   NOT NULL PRIMARY KEY,
    departed_at BIGINT NOT NULL,
    why         TEXT   NOT NULL
);

-- Who asked for a link: it is worth nothing once they are another member's, or nobody's. NULL where that was not kept.
ALTER TABLE confirmations ADD COLUMN identity TEXT;
