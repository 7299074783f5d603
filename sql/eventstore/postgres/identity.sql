SELECT identity
FROM {schema}.event_store
