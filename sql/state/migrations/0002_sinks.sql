-- What an operator, or the bridge itself, decided about single sinks, and what optional ones hold.

CREATE TABLE sink_pause (
    slot TEXT NOT NULL,
    sink TEXT NOT NULL,
    reason TEXT NOT NULL,
    paused_at INTEGER NOT NULL,
    PRIMARY KEY (slot, sink)
);

-- A gap that is not over: events after the position are missing; without one, after nobody knows.
CREATE TABLE sink_gap (
    slot TEXT NOT NULL,
    sink TEXT NOT NULL,
    commit_lsn TEXT,
    ordinal INTEGER,
    PRIMARY KEY (slot, sink)
);

-- Up to where an optional sink has got its spill. sink_position says up to where the spill is filled.
CREATE TABLE delivered_position (
    slot TEXT NOT NULL,
    sink TEXT NOT NULL,
    commit_lsn TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    PRIMARY KEY (slot, sink)
);
