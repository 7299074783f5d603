-- One array of texts for each column: the n-th value of each makes a row.
INSERT INTO {table} ({columns})
SELECT {casts} FROM unnest({arrays}) AS given ({columns})
ON CONFLICT ({key}) DO UPDATE SET ({columns}) = ROW ({excluded})
