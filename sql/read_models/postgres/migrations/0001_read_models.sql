-- Which builds of views there are; one of each read model is what readers see.
CREATE TABLE {schema}.pgbridge_read_models (
    build bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    live boolean NOT NULL,
    version integer NOT NULL,
    layout text NOT NULL,
    source text NOT NULL,
    position bigint NOT NULL
);

CREATE UNIQUE INDEX pgbridge_read_models_live
ON {schema}.pgbridge_read_models (name) WHERE live;

CREATE TABLE {schema}.pgbridge_parked_events (
    build bigint NOT NULL,
    global_sequence bigint NOT NULL,
    event_id text NOT NULL,
    event_type text NOT NULL,
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    reason text NOT NULL,
    parked_at bigint NOT NULL,
    PRIMARY KEY (build, global_sequence)
);
