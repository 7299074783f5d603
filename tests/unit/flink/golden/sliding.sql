-- Made by pgbridge flink-sql. docs/flink.md says what means the same here and what does not.
-- Texts of timestamps, windows and dates are in UTC.
SET 'table.local-time-zone' = 'UTC';

CREATE TEMPORARY TABLE `sliding_events_source_1` (
  `new_values` ROW<`id` BIGINT>,
  `event_id` STRING,
  `schema` STRING,
  `table` STRING,
  `operation` STRING,
  `timestamp` BIGINT,
  `__selected` AS `operation` = 'Insert',
  `__time` AS TO_TIMESTAMP_LTZ(`timestamp` / 1000, 3),
  `__us` AS `timestamp`,
  WATERMARK FOR `__time` AS CASE WHEN `__selected` AND NOT (`operation` = 'Read') THEN `__time` - INTERVAL '0 00:00:01.001' DAY(2) TO SECOND(3) END
) WITH (
  'connector' = 'kafka',
  'topic' = 'public.orders',
  'properties.bootstrap.servers' = 'k:9092',
  'properties.group.id' = 'pgbridge-flink',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TEMPORARY TABLE `sliding_events_source_2` (
  `new_values` ROW<`id` BIGINT>,
  `event_id` STRING,
  `schema` STRING,
  `table` STRING,
  `operation` STRING,
  `timestamp` BIGINT,
  `__selected` AS `operation` = 'Insert',
  `__time` AS TO_TIMESTAMP_LTZ(`timestamp` / 1000, 3),
  `__us` AS `timestamp`,
  WATERMARK FOR `__time` AS CASE WHEN `__selected` AND NOT (`operation` = 'Read') THEN `__time` - INTERVAL '0 00:00:01.001' DAY(2) TO SECOND(3) END
) WITH (
  'connector' = 'kafka',
  'topic' = 'public.payments',
  'properties.bootstrap.servers' = 'k:9092',
  'properties.group.id' = 'pgbridge-flink',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TEMPORARY VIEW `sliding_events` AS
SELECT
  `__time`,
  `__us`,
  `event_id` AS `__event_id`,
  `new_values`.`id` AS `value_ids`
FROM `sliding_events_source_1`
WHERE `__selected`
UNION ALL
SELECT
  `__time`,
  `__us`,
  `event_id` AS `__event_id`,
  `new_values`.`id` AS `value_ids`
FROM `sliding_events_source_2`
WHERE `__selected`;

CREATE TEMPORARY TABLE `sliding` (
  `type` STRING,
  `processor` STRING,
  `window` ROW<`start` BIGINT, `end` BIGINT>,
  `values` ROW<`ids` DECIMAL(38, 0)>,
  `final` BOOLEAN,
  `revision` INT
) WITH (
  'connector' = 'kafka',
  'topic' = 'answers',
  'properties.bootstrap.servers' = 'k:9092',
  'format' = 'json',
  'json.encode.decimal-as-plain-number' = 'true'
);

EXECUTE STATEMENT SET
BEGIN
INSERT INTO `sliding`
SELECT
  'window_result',
  'sliding',
  ROW(`start_us`, `end_us`),
  ROW(`result_ids`),
  TRUE,
  0
FROM (
  SELECT
    UNIX_TIMESTAMP(SUBSTRING(CAST(window_start AS STRING), 1, 19)) * 1000000 + EXTRACT(MILLISECOND FROM window_start) * 1000 AS `start_us`,
    UNIX_TIMESTAMP(SUBSTRING(CAST(window_end AS STRING), 1, 19)) * 1000000 + EXTRACT(MILLISECOND FROM window_end) * 1000 AS `end_us`,
    SUM(CAST(`value_ids` AS DECIMAL(38, 0))) AS `result_ids`
  FROM TABLE(HOP(TABLE `sliding_events`, DESCRIPTOR(`__time`), INTERVAL '90' SECOND, INTERVAL '1' HOUR))
  GROUP BY window_start, window_end
);
END;
