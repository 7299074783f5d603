-- The types with these OIDs, and every type that they are made of.
-- Through to_jsonb a column is NULL where the server's version does not have it: multiranges are
-- new in PostgreSQL 14.
WITH RECURSIVE wanted (oid) AS (
    SELECT unnest(%(oids)s::oid[])
    UNION
    SELECT part.oid
    FROM wanted
    JOIN pg_type AS type ON type.oid = wanted.oid
    CROSS JOIN LATERAL (
        SELECT type.typbasetype WHERE type.typtype = 'd'
        UNION ALL
        SELECT type.typelem WHERE type.typelem <> 0
        UNION ALL
        SELECT rngsubtype FROM pg_range WHERE rngtypid = type.oid
        UNION ALL
        SELECT rngtypid FROM pg_range
        WHERE type.typtype = 'm' AND (to_jsonb(pg_range) ->> 'rngmultitypid')::oid = type.oid
        UNION ALL
        SELECT atttypid FROM pg_attribute
        WHERE type.typtype = 'c' AND attrelid = type.typrelid AND attnum > 0 AND NOT attisdropped
    ) AS part (oid)
)
SELECT type.oid::int8,
       namespace.nspname,
       type.typname,
       CASE
           WHEN element.oid IS NOT NULL THEN 'array'
           WHEN type.typtype = 'c' THEN 'composite'
           WHEN type.typtype = 'd' THEN 'domain'
           WHEN type.typtype = 'e' THEN 'enum'
           WHEN type.typtype = 'm' THEN 'multirange'
           WHEN type.typtype = 'r' THEN 'range'
           ELSE 'base'
       END AS kind,
       CASE WHEN type.typtype = 'd' THEN type.typbasetype::int8 END AS base_oid,
       CASE
           WHEN element.oid IS NOT NULL THEN element.oid::int8
           WHEN type.typtype = 'r'
               THEN (SELECT rngsubtype::int8 FROM pg_range WHERE rngtypid = type.oid)
           WHEN type.typtype = 'm'
               THEN (SELECT rngtypid::int8 FROM pg_range
                     WHERE (to_jsonb(pg_range) ->> 'rngmultitypid')::oid = type.oid)
       END AS element_oid,
       coalesce(element.typdelim, type.typdelim)::text AS delimiter,
       CASE WHEN type.typtype = 'c' THEN (
           SELECT json_agg(json_build_array(attname, atttypid::int8) ORDER BY attnum)
           FROM pg_attribute
           WHERE attrelid = type.typrelid AND attnum > 0 AND NOT attisdropped
       ) END AS attributes
FROM wanted
JOIN pg_type AS type ON type.oid = wanted.oid
JOIN pg_namespace AS namespace ON namespace.oid = type.typnamespace
LEFT JOIN pg_type AS element ON element.typarray = type.oid
