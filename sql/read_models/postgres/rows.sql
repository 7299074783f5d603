-- One array for each column of the key: a row that has the n-th value of each is wanted.
SELECT {read} FROM {table} WHERE ({key}) IN (SELECT {casts} FROM unnest({arrays}) AS wanted ({key}))
