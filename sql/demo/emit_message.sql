SELECT pg_logical_emit_message(true, 'shop.audit', %(content)s)
