-- What stream processing keeps for each slot. Positions are texts; keys and JSON of results are
-- bytes, because a text of the source may hold what a TEXT of SQLite cannot.

-- sequence is the number of the last result, NULL before the first commit.
CREATE TABLE store (
    id INTEGER PRIMARY KEY,
    slot TEXT NOT NULL UNIQUE,
    identity TEXT NOT NULL,
    position TEXT,
    sequence INTEGER
);

-- A state is cut into parts: the size of a value is limited.
CREATE TABLE state (
    store INTEGER NOT NULL REFERENCES store (id),
    name TEXT NOT NULL,
    part INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (store, name, part)
);

-- The outbox: results that some sink does not hold yet. sinks is a JSON array.
CREATE TABLE result (
    store INTEGER NOT NULL REFERENCES store (id),
    sequence INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    processor TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    row_id BLOB,
    members BLOB NOT NULL,
    sinks TEXT NOT NULL,
    PRIMARY KEY (store, sequence)
) WITHOUT ROWID;

-- Which sinks those are.
CREATE TABLE waiting (
    store INTEGER NOT NULL REFERENCES store (id),
    sink TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (store, sink, sequence)
) WITHOUT ROWID;

CREATE INDEX waiting_of_result ON waiting (store, sequence);

-- Up to which number a sink has said to hold its results.
CREATE TABLE delivered (
    store INTEGER NOT NULL REFERENCES store (id),
    sink TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (store, sink)
) WITHOUT ROWID;
