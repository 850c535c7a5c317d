-- As whom a session was asked for or moved: it ends when that account is gone, wherever they asked. NULL where nobody asked (a schedule's)
-- or where that was not kept.
ALTER TABLE sessions ADD COLUMN identity TEXT;

-- The links that nobody has used: of whoever leaves they are made worthless, and those long over go.
CREATE INDEX confirmations_unused ON confirmations (member) WHERE used_at IS NULL;
