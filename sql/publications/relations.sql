-- What could be published, and what somebody could take for it: every relation of users.
-- A table has a usable replica identity if the server can tell which row an UPDATE or DELETE meant;
-- for a partitioned table every leaf must have one.
WITH identified (oid) AS (
    SELECT class.oid
    FROM pg_class AS class
    WHERE class.relkind IN ('r', 'p')
      AND (
          class.relreplident = 'f'
          OR EXISTS (
              SELECT FROM pg_index AS index
              WHERE index.indrelid = class.oid
                AND index.indisvalid
                AND CASE class.relreplident
                        WHEN 'd' THEN index.indisprimary AND index.indimmediate
                        WHEN 'i' THEN index.indisreplident
                        ELSE false
                    END
          )
      )
)
SELECT class.oid::int8,
       namespace.nspname,
       class.relname,
       class.relkind::text,
       class.relpersistence::text,
       ARRAY(
           SELECT relid::int8 FROM pg_partition_ancestors(class.oid) WHERE relid <> class.oid
       ) AS ancestors,
       class.relhassubclass AND class.relkind = 'r' AS inherited,
       CASE class.relkind
           WHEN 'r' THEN class.oid IN (SELECT oid FROM identified)
           WHEN 'p' THEN NOT EXISTS (
               SELECT FROM pg_partition_tree(class.oid) AS part
               JOIN pg_class AS leaf ON leaf.oid = part.relid
               WHERE part.isleaf
                 AND leaf.relkind = 'r'
                 AND leaf.oid NOT IN (SELECT oid FROM identified)
           )
       END AS has_identity
FROM pg_class AS class
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  AND namespace.nspname NOT LIKE 'pg\_%%'
  AND namespace.nspname <> 'information_schema'
ORDER BY namespace.nspname, class.relname
