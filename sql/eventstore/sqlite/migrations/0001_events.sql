-- Events, append-only: triggers refuse every statement that changes or removes one. A statement such
-- as INSERT OR REPLACE removes rows without asking the triggers of DELETE, so INSERT has one too.

CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    identity TEXT NOT NULL
);

-- Events up to the sequence `archived` are in segments.
CREATE TABLE aggregate (
    id INTEGER PRIMARY KEY,
    aggregate_type TEXT NOT NULL,
    aggregate_id TEXT NOT NULL,
    archived INTEGER NOT NULL DEFAULT 0,
    UNIQUE (aggregate_type, aggregate_id)
);

CREATE INDEX aggregate_by_id ON aggregate (aggregate_id, aggregate_type);

-- Events of an aggregate that were appended together: `events` of them, from the global sequence
-- `first` and the sequence `first_sequence` on. body is a JSON array with an array for each event:
-- event_id, event_type, version, timestamp, data and metadata. The view `event` unpacks them.
CREATE TABLE block (
    first INTEGER PRIMARY KEY,
    aggregate INTEGER NOT NULL REFERENCES aggregate (id),
    first_sequence INTEGER NOT NULL,
    events INTEGER NOT NULL CHECK (events > 0),
    body TEXT NOT NULL,
    UNIQUE (aggregate, first_sequence)
);

-- Which event has an id; no two have the same.
CREATE TABLE identified (
    event_id TEXT PRIMARY KEY,
    global_sequence INTEGER NOT NULL
) WITHOUT ROWID;

-- In which blocks there are events of a type; first is that of the block.
CREATE TABLE typed (
    event_type TEXT NOT NULL,
    first INTEGER NOT NULL,
    PRIMARY KEY (event_type, first)
) WITHOUT ROWID;

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

CREATE INDEX segment_by_last ON segment (last);

-- The highest global sequence that was ever given.
CREATE VIEW newest AS
SELECT max(
    coalesce((SELECT first + events - 1 FROM block ORDER BY first DESC LIMIT 1), 0),
    coalesce((SELECT max(last) FROM segment), 0)
) AS global_sequence;

-- Aggregates with the sequence of their last event.
CREATE VIEW head AS
SELECT
    id, aggregate_type, aggregate_id,
    coalesce(
        (
            SELECT first_sequence + events - 1
            FROM block
            WHERE block.aggregate = aggregate.id
            ORDER BY first_sequence DESC
            LIMIT 1
        ),
        archived
    ) AS last_sequence,
    archived
FROM aggregate;

-- For people. Whoever wants one event in particular asks for its block.
CREATE VIEW event AS
SELECT
    block.first + item.key AS global_sequence,
    aggregate.aggregate_type,
    aggregate.aggregate_id,
    block.first_sequence + item.key AS sequence,
    json_extract(item.value, '$[0]') AS event_id,
    json_extract(item.value, '$[1]') AS event_type,
    json_extract(item.value, '$[2]') AS version,
    json_extract(item.value, '$[3]') AS timestamp,
    json_extract(item.value, '$[4]') AS data,
    json_extract(item.value, '$[5]') AS metadata
FROM block
    CROSS JOIN aggregate ON aggregate.id = block.aggregate
    CROSS JOIN json_each(block.body) AS item
WHERE block.first_sequence + item.key > aggregate.archived;

-- So none replaces another one.
CREATE TRIGGER block_comes_last BEFORE INSERT ON block
WHEN NEW.first IS NOT (SELECT global_sequence + 1 FROM newest)
    OR NEW.first_sequence IS NOT (SELECT last_sequence + 1 FROM head WHERE id = NEW.aggregate)
BEGIN
    SELECT RAISE(ABORT, 'events are only added behind the last one');
END;

CREATE TRIGGER block_is_never_changed BEFORE UPDATE ON block
BEGIN
    SELECT RAISE(ABORT, 'an event is never changed');
END;

CREATE TRIGGER block_is_never_removed BEFORE DELETE ON block
WHEN OLD.first_sequence + OLD.events - 1
    > (SELECT archived FROM aggregate WHERE id = OLD.aggregate)
BEGIN
    SELECT RAISE(ABORT, 'an event is never removed, unless it is archived');
END;

CREATE TRIGGER types_go_with_their_block AFTER DELETE ON block
BEGIN
    DELETE FROM typed
    WHERE first = OLD.first
        AND event_type IN (SELECT json_extract(value, '$[1]') FROM json_each(OLD.body));
END;

CREATE TRIGGER id_is_never_changed BEFORE UPDATE ON identified
BEGIN
    SELECT RAISE(ABORT, 'an event is never changed');
END;

CREATE TRIGGER id_is_never_removed BEFORE DELETE ON identified
WHEN EXISTS (
    SELECT 1
    FROM (SELECT * FROM block WHERE first <= OLD.global_sequence ORDER BY first DESC LIMIT 1) AS own
        JOIN aggregate ON aggregate.id = own.aggregate
    WHERE own.first_sequence + OLD.global_sequence - own.first > aggregate.archived
        AND OLD.global_sequence < own.first + own.events
)
BEGIN
    SELECT RAISE(ABORT, 'an event is never removed, unless it is archived');
END;

CREATE TRIGGER type_is_never_changed BEFORE UPDATE ON typed
BEGIN
    SELECT RAISE(ABORT, 'an event is never changed');
END;

CREATE TRIGGER type_is_never_removed BEFORE DELETE ON typed
WHEN EXISTS (
    SELECT 1
    FROM block
        JOIN aggregate ON aggregate.id = block.aggregate
    WHERE block.first = OLD.first
        AND block.first_sequence + block.events - 1 > aggregate.archived
)
BEGIN
    SELECT RAISE(ABORT, 'an event is never removed, unless it is archived');
END;

CREATE TRIGGER aggregate_only_grows BEFORE UPDATE ON aggregate
WHEN NEW.id <> OLD.id
    OR NEW.aggregate_type <> OLD.aggregate_type
    OR NEW.aggregate_id <> OLD.aggregate_id
    OR NEW.archived < OLD.archived
    OR NEW.archived > (SELECT last_sequence FROM head WHERE id = OLD.id)
BEGIN
    SELECT RAISE(ABORT, 'an aggregate only grows');
END;

CREATE TRIGGER aggregate_is_never_removed BEFORE DELETE ON aggregate
BEGIN
    SELECT RAISE(ABORT, 'an aggregate is never removed');
END;
