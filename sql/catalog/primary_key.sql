-- The columns of a table's primary key, in the order of the key.
SELECT attribute.attname
FROM pg_index AS index
CROSS JOIN LATERAL unnest(index.indkey::int2[]) WITH ORDINALITY AS part (attnum, place)
JOIN pg_attribute AS attribute
    ON attribute.attrelid = index.indrelid AND attribute.attnum = part.attnum
WHERE index.indrelid = %(relation)s::oid AND index.indisprimary AND part.place <= index.indnkeyatts
ORDER BY part.place
