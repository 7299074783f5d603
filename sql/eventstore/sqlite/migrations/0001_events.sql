-- Events, append-only: triggers refuse every statement that changes or removes one. A statement such
-- as INSERT OR REPLACE removes rows without asking the triggers of DELETE, so INSERT has one too.

-- last_sequence is the highest global sequence that was ever given. Events may only be added while
-- appending is 1, which an append sets and takes back in its transaction.
CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    identity TEXT NOT NULL,
    last_sequence INTEGER NOT NULL DEFAULT 0,
    appending INTEGER NOT NULL DEFAULT 0
);

-- Events up to the sequence `archived` are in segments.
CREATE TABLE aggregate (
    id INTEGER PRIMARY KEY,
    aggregate_type TEXT NOT NULL,
    aggregate_id TEXT NOT NULL,
    last_sequence INTEGER NOT NULL,
    archived INTEGER NOT NULL DEFAULT 0,
    UNIQUE (aggregate_type, aggregate_id)
);

CREATE INDEX aggregate_by_id ON aggregate (aggregate_id, aggregate_type);

CREATE TABLE event (
    global_sequence INTEGER PRIMARY KEY,
    aggregate INTEGER NOT NULL REFERENCES aggregate (id),
    sequence INTEGER NOT NULL,
    event_id TEXT NOT NULL UNIQUE,
    event_type TEXT NOT NULL,
    version INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    data TEXT NOT NULL,
    metadata TEXT NOT NULL,
    UNIQUE (aggregate, sequence)
);

CREATE INDEX event_by_type ON event (event_type, global_sequence);

-- state is JSON; version is that of its schema.
CREATE TABLE snapshot (
    aggregate INTEGER NOT NULL REFERENCES aggregate (id),
    version INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (aggregate, version)
) WITHOUT ROWID;

CREATE TABLE progress (
    name TEXT PRIMARY KEY,
    position TEXT NOT NULL,
    source TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE segment (
    name TEXT PRIMARY KEY,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    events INTEGER NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL
) WITHOUT ROWID;

-- Looking for what would be replaced would take longer than all else that this trigger costs. It
-- undoes the whole statement, replaced events included.
CREATE TRIGGER event_is_appended AFTER INSERT ON event
WHEN (SELECT appending FROM store WHERE id = 1) IS NOT 1
BEGIN
    SELECT RAISE(ABORT, 'an event is never replaced: only pgbridge adds events');
END;

CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN
    SELECT RAISE(ABORT, 'an event is never changed');
END;

CREATE TRIGGER event_is_never_removed BEFORE DELETE ON event
WHEN OLD.sequence > (SELECT archived FROM aggregate WHERE id = OLD.aggregate)
BEGIN
    SELECT RAISE(ABORT, 'an event is never removed, unless it is archived');
END;

CREATE TRIGGER aggregate_only_grows BEFORE UPDATE ON aggregate
WHEN NEW.id <> OLD.id
    OR NEW.aggregate_type <> OLD.aggregate_type
    OR NEW.aggregate_id <> OLD.aggregate_id
    OR NEW.last_sequence < OLD.last_sequence
    OR NEW.archived < OLD.archived
    OR NEW.archived > NEW.last_sequence
BEGIN
    SELECT RAISE(ABORT, 'an aggregate only grows');
END;

CREATE TRIGGER aggregate_is_never_removed BEFORE DELETE ON aggregate
BEGIN
    SELECT RAISE(ABORT, 'an aggregate is never removed');
END;
