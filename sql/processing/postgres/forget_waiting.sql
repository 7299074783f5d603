DELETE FROM {schema}.processing_waiting
WHERE store = %(store)s AND sink = %(sink)s AND sequence <= %(sequence)s
