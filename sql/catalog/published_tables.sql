-- What a publication sends: its tables as the stream names them, with their columns, row filter
-- and replica identity.
-- Through to_jsonb a column is NULL where the server's version does not have it: the view has
-- attnames and rowfilter from PostgreSQL 15 on. It lists generated columns from 15 to 17 too,
-- which those versions never send.
SELECT class.oid::int8,
       class.relkind = 'p' AS partitioned,
       published.schemaname,
       published.tablename,
       class.relreplident::text AS replica_identity,
       to_jsonb(published) ->> 'rowfilter' AS row_filter,
       (
           SELECT json_agg(
               json_build_array(
                   attribute.attname,
                   attribute.atttypid::int8,
                   attribute.atttypmod,
                   class.relreplident = 'f' OR attribute.attnum = ANY (identity.columns)
               )
               ORDER BY attribute.attnum
           )
           FROM pg_attribute AS attribute
           WHERE attribute.attrelid = class.oid
             AND attribute.attnum > 0
             AND NOT attribute.attisdropped
             AND (attribute.attgenerated = '' OR %(sends_generated)s)
             AND coalesce(
                 to_jsonb(published) -> 'attnames' ? attribute.attname::text,
                 attribute.attgenerated = ''
             )
       ) AS columns,
       ARRAY(
           SELECT attribute.attname
           FROM unnest(key.indkey::int2[]) WITH ORDINALITY AS part (attnum, place)
           JOIN pg_attribute AS attribute
               ON attribute.attrelid = class.oid AND attribute.attnum = part.attnum
           WHERE part.place <= key.indnkeyatts
           ORDER BY part.place
       ) AS primary_key,
       coalesce(
           CASE class.relkind
               WHEN 'p' THEN (
                   SELECT sum(greatest(leaf.reltuples, 0))
                   FROM pg_partition_tree(class.oid) AS tree
                   JOIN pg_class AS leaf ON leaf.oid = tree.relid
                   WHERE tree.isleaf
               )
               ELSE greatest(class.reltuples, 0)
           END,
           0
       )::int8 AS estimated_rows
FROM pg_publication_tables AS published
JOIN pg_namespace AS namespace ON namespace.nspname = published.schemaname
JOIN pg_class AS class
    ON class.relnamespace = namespace.oid AND class.relname = published.tablename
LEFT JOIN pg_index AS key ON key.indrelid = class.oid AND key.indisprimary
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(part.attnum), '{}') AS columns
    FROM pg_index AS index
    CROSS JOIN LATERAL unnest(index.indkey::int2[]) WITH ORDINALITY AS part (attnum, place)
    WHERE index.indrelid = class.oid
      AND part.place <= index.indnkeyatts
      AND CASE class.relreplident
              WHEN 'd' THEN index.indisprimary AND index.indimmediate
              WHEN 'i' THEN index.indisreplident
              ELSE false
          END
) AS identity
WHERE published.pubname = %(publication)s
ORDER BY published.schemaname, published.tablename
