-- One table for every kind of record: a versioned body under (kind, id). Bodies are JSON; crates/auth/src/record.rs says
-- of what. Kinds and ids are compared by their bytes, as everywhere.
CREATE TABLE record (
    kind       text   COLLATE "C" NOT NULL,
    id         text   COLLATE "C" NOT NULL,
    version    bigint NOT NULL,
    expires_at bigint,
    body       text   NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE INDEX record_expiry ON record (expires_at) WHERE expires_at IS NOT NULL;

-- No version is ever given out twice, whichever node asks.
CREATE SEQUENCE record_version;

-- One chain a node; numbers without gaps; mac over the predecessor's mac and this entry.
CREATE TABLE audit (
    node   text   COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    at     bigint NOT NULL,
    body   text   NOT NULL,
    mac    bytea  NOT NULL,
    PRIMARY KEY (node, number)
);

CREATE TABLE note (
    name  text PRIMARY KEY,
    value text NOT NULL
);
