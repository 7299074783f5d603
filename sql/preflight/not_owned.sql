-- Which of these tables do not belong to this role: it cannot put them into a publication.
SELECT namespace.nspname || '.' || class.relname
FROM pg_class AS class
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE namespace.nspname || '.' || class.relname = ANY (%(names)s)
  AND class.relkind IN ('r', 'p')
  AND NOT pg_has_role(class.relowner, 'USAGE')
ORDER BY 1
