-- Settings: as plain numbers, and as the server shows them. A server that does not have one
-- gives no row for it.
SELECT name, setting, current_setting(name)
FROM pg_settings
WHERE name = ANY (%(names)s)
