-- What stream processing keeps for each slot. Positions are texts; keys and JSON of results are
-- bytes, because the encoding of this database may lack characters of the source.

-- sequence is the number of the last result, NULL before the first commit. writer is the process
-- that may commit: the one that opened the store last.
CREATE TABLE {schema}.processing_store (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slot text NOT NULL UNIQUE,
    identity text NOT NULL,
    writer text NOT NULL,
    position text,
    sequence bigint
);

-- A state is cut into parts: the size of a value is limited. It is compressed already.
CREATE TABLE {schema}.processing_state (
    store bigint NOT NULL REFERENCES {schema}.processing_store (id) ON DELETE CASCADE,
    name text NOT NULL,
    part integer NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (store, name, part)
);

ALTER TABLE {schema}.processing_state ALTER COLUMN data SET STORAGE EXTERNAL;

-- The outbox: results that some sink does not hold yet. sinks is a JSON array.
CREATE TABLE {schema}.processing_result (
    store bigint NOT NULL REFERENCES {schema}.processing_store (id) ON DELETE CASCADE,
    sequence bigint NOT NULL,
    id text NOT NULL,
    type text NOT NULL,
    processor text NOT NULL,
    timestamp bigint NOT NULL,
    row_id bytea,
    members bytea NOT NULL,
    sinks text NOT NULL,
    PRIMARY KEY (store, sequence)
);

-- Which sinks those are.
CREATE TABLE {schema}.processing_waiting (
    store bigint NOT NULL REFERENCES {schema}.processing_store (id) ON DELETE CASCADE,
    sink text NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (store, sink, sequence)
);

CREATE INDEX processing_waiting_of_result ON {schema}.processing_waiting (store, sequence);

-- Up to which number a sink has said to hold its results.
CREATE TABLE {schema}.processing_delivered (
    store bigint NOT NULL REFERENCES {schema}.processing_store (id) ON DELETE CASCADE,
    sink text NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (store, sink)
);
