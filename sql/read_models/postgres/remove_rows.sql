DELETE FROM {table} WHERE ({key}) IN (SELECT {casts} FROM unnest({arrays}) AS gone ({key}))
