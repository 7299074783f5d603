-- An append-only store of events. The data of events is JSON as it was given: not jsonb, which
-- knows neither all characters nor the order of keys. Texts are compared by code points, so that
-- lists have the same order as in every other storage.

CREATE TABLE {schema}.event (
    global_sequence bigint PRIMARY KEY,
    aggregate_type text COLLATE "C" NOT NULL,
    aggregate_id text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    event_id uuid NOT NULL UNIQUE,
    event_type text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    timestamp bigint NOT NULL,
    data json NOT NULL,
    metadata json NOT NULL,
    UNIQUE (aggregate_type, aggregate_id, sequence)
);

-- In which blocks of 128 global sequences there are events of a type. An index of the types of all
-- events would cost each of them a tenth of its append; here the events of one append share a row.
CREATE TABLE {schema}.event_type (
    event_type text COLLATE "C" NOT NULL,
    block bigint NOT NULL,
    PRIMARY KEY (event_type, block)
);

CREATE TABLE {schema}.event_store (
    identity text NOT NULL
);

-- Aggregates of which events were archived: up to this sequence they are in segments.
CREATE TABLE {schema}.event_archived (
    aggregate_type text COLLATE "C" NOT NULL,
    aggregate_id text COLLATE "C" NOT NULL,
    last_sequence bigint NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id)
);

CREATE INDEX event_archived_of_id ON {schema}.event_archived (aggregate_id);

CREATE TABLE {schema}.event_segment (
    name text PRIMARY KEY,
    first bigint NOT NULL,
    last bigint NOT NULL,
    events bigint NOT NULL,
    size bigint NOT NULL,
    sha256 text NOT NULL
);

CREATE TABLE {schema}.event_snapshot (
    aggregate_type text COLLATE "C" NOT NULL,
    aggregate_id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    last_sequence bigint NOT NULL,
    timestamp bigint NOT NULL,
    state json NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, version)
);

CREATE TABLE {schema}.event_progress (
    name text PRIMARY KEY,
    position text NOT NULL,
    source text NOT NULL
);

-- Events are append-only. Only those go that a segment holds, which is registered before.
CREATE FUNCTION {schema}.refuse_change_of_events() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM FROM {schema}.event_archived AS archived
        WHERE archived.aggregate_type = OLD.aggregate_type
          AND archived.aggregate_id = OLD.aggregate_id
          AND archived.last_sequence >= OLD.sequence;
        IF FOUND THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'events are append-only: % is refused', TG_OP USING ERRCODE = '55000';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {schema}.event
FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change_of_events();

CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {schema}.event
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change_of_events();

-- A row less would hide events from who asks for a type. What archiving leaves behind does no harm.
CREATE FUNCTION {schema}.refuse_change_of_types() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'types of events are append-only: % is refused', TG_OP USING ERRCODE = '55000';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.event_type
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change_of_types();

ALTER TABLE {schema}.event ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE {schema}.event ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE {schema}.event_type ENABLE ALWAYS TRIGGER append_only;

REVOKE UPDATE, DELETE, TRUNCATE ON {schema}.event, {schema}.event_type FROM CURRENT_USER;

-- Appends, all or nothing, in one round trip and one statement: the usual case, in which nothing is
-- stored yet and every aggregate is as expected. Otherwise sequences is NULL and nothing happens.
--
-- One append at a time: so global sequences have no gaps, and become visible in their order. The
-- lock comes in a statement of its own, because the one after it has to see what others committed
-- before; that takes READ COMMITTED.
--
-- writes has a record for each: its aggregate, how many events it has, and "expected", the last
-- sequence before them: -1 for any but 0, NULL for any at all. The other arguments have an element
-- for each event: of_write is the number, from 1, of the write to which it belongs.
CREATE FUNCTION {schema}.append_events(
    lock_key bigint,
    writes json,
    of_write bigint[],
    event_ids uuid[],
    event_types json,
    versions bigint[],
    timestamps bigint[],
    data json,
    metadata json,
    progress_name text,
    progress_position text,
    progress_source text,
    OUT first_global bigint,
    OUT sequences bigint[]
) LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- A plan is kept while the table grows: one that was made for an empty table must use indexes, too.
SET enable_seqscan = off
-- What avoids a scan is taken for expensive then, and would be compiled for longer than it runs.
SET jit = off
SET lock_timeout = '10s'
AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RETURN;
    END IF;
    -- For this transaction: a commit is on the disk when it returns, whatever the role prefers.
    IF current_setting('synchronous_commit') IN ('off', 'local') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    PERFORM pg_advisory_xact_lock(lock_key);

    first_global := 1 + greatest(
        (SELECT max(event.global_sequence) FROM {schema}.event),
        (SELECT max(segment.last) FROM {schema}.event_segment AS segment),
        0
    );

    WITH placed AS MATERIALIZED (
        SELECT number, aggregate_type, aggregate_id, expected,
               (sum(events) OVER (ORDER BY number) - events)::bigint AS earlier,
               stored + (sum(events) OVER (
                   PARTITION BY aggregate_type, aggregate_id ORDER BY number
               ) - events)::bigint AS last_sequence
        FROM ROWS FROM (json_to_recordset(writes) AS (
            aggregate_type text COLLATE "C",
            aggregate_id text COLLATE "C",
            expected bigint,
            events bigint
        )) WITH ORDINALITY AS given (aggregate_type, aggregate_id, expected, events, number)
        CROSS JOIN LATERAL coalesce(
            (
                SELECT max(event.sequence)
                FROM {schema}.event
                WHERE event.aggregate_type = given.aggregate_type
                  AND event.aggregate_id = given.aggregate_id
            ),
            (
                SELECT archived.last_sequence
                FROM {schema}.event_archived AS archived
                WHERE archived.aggregate_type = given.aggregate_type
                  AND archived.aggregate_id = given.aggregate_id
            ),
            0
        ) AS stored
    ),
    verdict AS MATERIALIZED (
        SELECT coalesce(bool_and(
            expected IS NULL
            OR last_sequence = expected
            OR (expected = -1 AND last_sequence > 0)
        ), true) AS fits
        FROM placed
    ),
    inserted AS (
        INSERT INTO {schema}.event (
            global_sequence, aggregate_type, aggregate_id, sequence, event_id, event_type,
            version, timestamp, data, metadata
        )
        SELECT first_global + item.number - 1, placed.aggregate_type, placed.aggregate_id,
               placed.last_sequence + item.number - placed.earlier, item.event_id,
               item.event_type, item.version, item.timestamp, item.data, item.metadata
        FROM ROWS FROM (
            unnest(of_write),
            unnest(event_ids),
            json_array_elements_text(event_types),
            unnest(versions),
            unnest(timestamps),
            json_array_elements(data),
            json_array_elements(metadata)
        ) WITH ORDINALITY AS item (
            of_write, event_id, event_type, version, timestamp, data, metadata, number
        )
        JOIN placed ON placed.number = item.of_write
        WHERE (SELECT fits FROM verdict)
    ),
    typed AS (
        INSERT INTO {schema}.event_type (event_type, block)
        SELECT DISTINCT item.event_type, (first_global + item.number - 1) / 128
        FROM json_array_elements_text(event_types) WITH ORDINALITY AS item (event_type, number)
        WHERE (SELECT fits FROM verdict)
        ON CONFLICT DO NOTHING
    )
    SELECT coalesce(array_agg(last_sequence + 1 ORDER BY number), ARRAY[]::bigint[])
    INTO sequences
    FROM placed
    HAVING (SELECT fits FROM verdict);

    IF sequences IS NOT NULL AND progress_name IS NOT NULL THEN
        INSERT INTO {schema}.event_progress (name, position, source)
        VALUES (progress_name, progress_position, progress_source)
        ON CONFLICT (name) DO UPDATE
        SET position = excluded.position, source = excluded.source;
    END IF;
EXCEPTION
    WHEN unique_violation THEN  -- of an event_id: quicker than to look for each of them before
        sequences := NULL;
END
$$;
