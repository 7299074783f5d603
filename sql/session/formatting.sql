-- The settings that change how a value looks as text, as they hold in this session.
SELECT current_setting('DateStyle'),
       current_setting('IntervalStyle'),
       current_setting('TimeZone'),
       current_setting('bytea_output'),
       current_setting('extra_float_digits'),
       current_setting('lc_monetary'),
       current_setting('search_path'),
       current_setting('quote_all_identifiers'),
       current_setting('client_encoding')
