-- Which builds of views there are; one of each read model is what readers see.
CREATE TABLE pgbridge_read_models (
    build INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    live INTEGER NOT NULL CHECK (live IN (0, 1)),
    version INTEGER NOT NULL,
    layout TEXT NOT NULL,
    source TEXT NOT NULL,
    position INTEGER NOT NULL
);

CREATE UNIQUE INDEX pgbridge_read_models_live ON pgbridge_read_models (name) WHERE live = 1;

CREATE TABLE pgbridge_parked_events (
    build INTEGER NOT NULL,
    global_sequence INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    aggregate_type TEXT NOT NULL,
    aggregate_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    parked_at INTEGER NOT NULL,
    PRIMARY KEY (build, global_sequence)
) WITHOUT ROWID;
