-- What a request asked to open, as JSON: whoever agrees to it agrees to that. NULL where that was not kept.
ALTER TABLE sessions ADD COLUMN asked_for TEXT;
-- How its address was learnt. NULL where that was not kept; the audit log has it.
ALTER TABLE sessions ADD COLUMN learnt_by TEXT;
