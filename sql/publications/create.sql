CREATE PUBLICATION {publication} FOR TABLE {tables}
    WITH (publish_via_partition_root = true)
