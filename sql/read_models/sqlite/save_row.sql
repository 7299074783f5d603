INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})
