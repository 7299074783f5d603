SELECT first_global, sequences
FROM {schema}.append_events(%(key)s, %(events)s, %(name)s, %(position)s, %(source)s)
