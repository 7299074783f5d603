-- What a reader of these tables should know: rights for the snapshot, columns that may not come.
SELECT class.oid::int8,
       has_schema_privilege(class.relnamespace, 'USAGE') AS may_use_schema,
       has_table_privilege(class.oid, 'SELECT') AS may_select,
       row_security_active(class.oid) AS rows_hidden,
       ARRAY(
           SELECT attname
           FROM pg_attribute
           WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped
             AND attlen = -1 AND attstorage IN ('x', 'e')
           ORDER BY attnum
       ) AS large_columns,
       ARRAY(
           SELECT attname
           FROM pg_attribute
           WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated <> ''
           ORDER BY attnum
       ) AS generated_columns,
       ARRAY(
           SELECT attname
           FROM pg_attribute
           WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
           ORDER BY attnum
       ) AS plain_columns
FROM pg_class AS class
WHERE class.oid = ANY (%(oids)s::oid[])
