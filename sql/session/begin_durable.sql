-- For this transaction alone, because a pooler gives the session to others: the commit is on the
-- disk when it returns, whatever the role prefers. A lock is not waited for endlessly: a process
-- that hangs may hold it.
SELECT set_config(name, CASE name WHEN 'lock_timeout' THEN '10s' ELSE '0' END, true)
FROM pg_catalog.pg_settings
WHERE name IN (
    'statement_timeout',
    'lock_timeout',
    'transaction_timeout',
    'idle_in_transaction_session_timeout'
)
UNION ALL
SELECT set_config('synchronous_commit', 'on', true)
WHERE current_setting('synchronous_commit') IN ('off', 'local')
