INSERT INTO {schema}.pgbridge_read_models (name, live, version, layout, source, position)
VALUES (%(name)s, %(live)s, %(version)s, %(layout)s, %(source)s, 0)
RETURNING build
