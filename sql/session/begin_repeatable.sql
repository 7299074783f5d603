-- For this transaction alone, because a pooler gives the session to others. Whoever waits for a
-- lock on the view keeps its readers waiting, too: so not for long.
SELECT set_config(name, CASE name WHEN 'lock_timeout' THEN '1s' ELSE '0' END, true)
FROM pg_catalog.pg_settings
WHERE name IN (
    'statement_timeout',
    'lock_timeout',
    'transaction_timeout',
    'idle_in_transaction_session_timeout'
)
