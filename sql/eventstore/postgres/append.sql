SELECT first_global, sequences
FROM {schema}.append_events(
    %(key)s, %(writes)s, %(of_write)s, %(event_ids)s, %(event_types)s, %(versions)s,
    %(timestamps)s, %(data)s, %(metadata)s, %(name)s, %(position)s, %(source)s
)
