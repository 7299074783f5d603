-- What one process of the bridge keeps on its own disk. Positions in the WAL are texts.

CREATE TABLE checkpoint (
    slot TEXT PRIMARY KEY,
    system_identifier TEXT NOT NULL,
    timeline INTEGER NOT NULL,
    database TEXT NOT NULL,
    publication TEXT NOT NULL,
    phase TEXT NOT NULL,
    confirmed_lsn TEXT NOT NULL
);

CREATE TABLE sink_position (
    slot TEXT NOT NULL REFERENCES checkpoint (slot),
    sink TEXT NOT NULL,
    commit_lsn TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    PRIMARY KEY (slot, sink)
);

-- commit_lsn has leading zeros here, so that its texts sort like positions. native and portable
-- are bytes, because a text of the source may hold what a TEXT of SQLite cannot.
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sink TEXT NOT NULL,
    event_id TEXT NOT NULL,
    commit_lsn TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    operation TEXT NOT NULL,
    schema_name TEXT,
    table_name TEXT,
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    parked_at INTEGER NOT NULL,
    replayed_at INTEGER,
    native BLOB NOT NULL,
    portable BLOB NOT NULL,
    UNIQUE (sink, event_id)
);

CREATE INDEX dead_letter_waiting ON dead_letter (sink, commit_lsn, ordinal)
    WHERE replayed_at IS NULL;
