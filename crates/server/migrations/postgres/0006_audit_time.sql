-- Entries are searched by their time, the latest first.
CREATE INDEX IF NOT EXISTS audit_time ON audit (node, at, number);
