GRANT SELECT ON {table} TO {role}
