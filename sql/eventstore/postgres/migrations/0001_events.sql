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

CREATE INDEX event_of_type ON {schema}.event (event_type, global_sequence);

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

ALTER TABLE {schema}.event ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE {schema}.event ENABLE ALWAYS TRIGGER append_only_truncate;

REVOKE UPDATE, DELETE, TRUNCATE ON {schema}.event FROM CURRENT_USER;

-- Appends, all or nothing, in one round trip and one statement: the usual case, in which nothing is
-- stored yet and every aggregate is as expected. Otherwise sequences is NULL and nothing happens.
--
-- One append at a time: so global sequences have no gaps, and become visible in their order. The
-- lock comes in a statement of its own, because the one after it has to see what others committed
-- before; that takes READ COMMITTED.
--
-- "expected" is in the first event of a write: the last sequence before it, -1 for any but 0.
CREATE FUNCTION {schema}.append_events(
    lock_key bigint,
    events json,
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
AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RETURN;
    END IF;
    -- For this transaction: a commit is on the disk when it returns, whatever the role prefers.
    PERFORM set_config('synchronous_commit', 'on', true)
    WHERE current_setting('synchronous_commit') IN ('off', 'local');
    PERFORM set_config('lock_timeout', '10s', true);
    PERFORM pg_advisory_xact_lock(lock_key);

    first_global := 1 + greatest(
        (SELECT max(event.global_sequence) FROM {schema}.event),
        (SELECT max(segment.last) FROM {schema}.event_segment AS segment),
        0
    );

    WITH given AS MATERIALIZED (
        SELECT *
        FROM ROWS FROM (json_to_recordset(events) AS (
            aggregate_type text COLLATE "C",
            aggregate_id text COLLATE "C",
            expected bigint,
            event_id uuid,
            event_type text,
            version bigint,
            timestamp bigint,
            data text,
            metadata text
        )) WITH ORDINALITY AS item (
            aggregate_type, aggregate_id, expected, event_id, event_type, version, timestamp,
            data, metadata, number
        )
    ),
    aggregate AS MATERIALIZED (
        SELECT aggregate_type, aggregate_id, coalesce(
            (
                SELECT max(event.sequence)
                FROM {schema}.event
                WHERE event.aggregate_type = named.aggregate_type
                  AND event.aggregate_id = named.aggregate_id
            ),
            (
                SELECT archived.last_sequence
                FROM {schema}.event_archived AS archived
                WHERE archived.aggregate_type = named.aggregate_type
                  AND archived.aggregate_id = named.aggregate_id
            ),
            0
        ) AS last_sequence
        FROM (SELECT DISTINCT aggregate_type, aggregate_id FROM given) AS named
    ),
    placed AS MATERIALIZED (
        SELECT given.*, aggregate.last_sequence + row_number() OVER (
            PARTITION BY given.aggregate_type, given.aggregate_id ORDER BY given.number
        ) AS sequence
        FROM given
        JOIN aggregate USING (aggregate_type, aggregate_id)
    ),
    verdict AS MATERIALIZED (
        SELECT count(*) = count(DISTINCT event_id)
            AND coalesce(bool_and(
                expected IS NULL
                OR sequence = expected + 1
                OR (expected = -1 AND sequence > 1)
            ), true)
            AND coalesce(bool_and((
                SELECT event.global_sequence
                FROM {schema}.event
                WHERE event.event_id = placed.event_id
            ) IS NULL), true) AS fits
        FROM placed
    ),
    inserted AS (
        INSERT INTO {schema}.event (
            global_sequence, aggregate_type, aggregate_id, sequence, event_id, event_type,
            version, timestamp, data, metadata
        )
        SELECT first_global + number - 1, aggregate_type, aggregate_id, sequence, event_id,
               event_type, version, timestamp, data::json, metadata::json
        FROM placed
        WHERE (SELECT fits FROM verdict)
        ORDER BY number
    )
    SELECT coalesce(array_agg(placed.sequence ORDER BY placed.number), ARRAY[]::bigint[])
    INTO sequences
    FROM placed
    HAVING (SELECT fits FROM verdict);

    IF sequences IS NOT NULL AND progress_name IS NOT NULL THEN
        INSERT INTO {schema}.event_progress (name, position, source)
        VALUES (progress_name, progress_position, progress_source)
        ON CONFLICT (name) DO UPDATE
        SET position = excluded.position, source = excluded.source;
    END IF;
END
$$;
