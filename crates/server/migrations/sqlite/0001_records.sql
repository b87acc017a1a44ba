-- One table for every kind of record: a versioned body under (kind, id). Bodies are JSON; crates/auth/src/record.rs says of what.
CREATE TABLE record (
    kind       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    expires_at INTEGER,
    body       TEXT    NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX record_expiry ON record (expires_at) WHERE expires_at IS NOT NULL;

-- One chain a node; numbers without gaps; mac over the predecessor's mac and this entry.
CREATE TABLE audit (
    node   TEXT    NOT NULL,
    number INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    body   TEXT    NOT NULL,
    mac    BLOB    NOT NULL,
    PRIMARY KEY (node, number)
) STRICT;

CREATE TABLE note (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
