-- In the transaction of the caller: with it the event comes, or does not come.
SELECT pg_logical_emit_message(true, %(prefix)s::text, %(content)s::text)::text
