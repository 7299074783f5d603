DELETE FROM {table} WHERE ({key}) = ({marks})
