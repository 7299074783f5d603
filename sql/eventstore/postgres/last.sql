SELECT greatest(
    (SELECT max(global_sequence) FROM {schema}.event),
    (SELECT max(last) FROM {schema}.event_segment),
    0
)
