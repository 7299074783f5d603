-- Made by pgbridge flink-sql. docs/flink.md says what means the same here and what does not.
-- Texts of timestamps, windows and dates are in UTC.
SET 'table.local-time-zone' = 'UTC';

CREATE TEMPORARY TABLE `sessions_events_source` (
  `customer_id` INT,
  `kind` STRING,
  `created_at` TIMESTAMP_LTZ(6),
  `__event_id` STRING,
  `__op` STRING,
  `__schema` STRING,
  `__table` STRING,
  `__source_ts_us` BIGINT,
  `__selected` AS `__op` IN ('c', 'r') AND `created_at` IS NOT NULL,
  `__time` AS COALESCE(CAST(`created_at` AS TIMESTAMP_LTZ(3)), TO_TIMESTAMP_LTZ(0, 3)),
  `__us` AS UNIX_TIMESTAMP(SUBSTRING(CAST(`created_at` AS STRING), 1, 19)) * 1000000 + CAST(SUBSTRING(CAST(`created_at` AS STRING), 21, 6) AS BIGINT),
  WATERMARK FOR `__time` AS CASE WHEN `__selected` AND NOT (`__op` = 'r') AND `__us` - `__source_ts_us` <= 86400000000 THEN `__time` - INTERVAL '0 00:00:01.001' DAY(2) TO SECOND(3) END
) WITH (
  'connector' = 'kafka',
  'topic' = 'public.orders',
  'properties.bootstrap.servers' = 'k:9092',
  'properties.group.id' = 'pgbridge-flink',
  'scan.startup.mode' = 'earliest-offset',
  'properties.isolation.level' = 'read_committed',
  'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TEMPORARY VIEW `sessions_events` AS
SELECT
  `__time`,
  `__us`,
  `__event_id` AS `__event_id`,
  `customer_id` AS `key_customer_id`,
  `kind` AS `value_kinds`,
  `created_at` AS `value_last_time`
FROM `sessions_events_source`
WHERE `__selected` AND `__us` - `__source_ts_us` <= 86400000000;

CREATE TEMPORARY TABLE `sessions` (
  `type` STRING,
  `processor` STRING,
  `key` ROW<`customer_id` INT>,
  `window` ROW<`start` BIGINT, `end` BIGINT>,
  `values` ROW<`kinds` BIGINT, `last_time` STRING>,
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
INSERT INTO `sessions`
SELECT
  'window_result',
  'sessions',
  ROW(`key_customer_id`),
  ROW(`start_us`, `end_us`),
  ROW(`result_kinds`, REPLACE(REGEXP_REPLACE(CAST(`result_last_time` AS STRING), '\.?0+$', ''), ' ', 'T') || 'Z'),
  TRUE,
  0
FROM (
  SELECT
    `key_customer_id`,
    MIN(`__us`) AS `start_us`,
    MAX(`__us`) + 1800000000 AS `end_us`,
    COUNT(DISTINCT `value_kinds`) AS `result_kinds`,
    MAX(`value_last_time`) AS `result_last_time`
  FROM TABLE(SESSION(TABLE `sessions_events` PARTITION BY (`key_customer_id`), DESCRIPTOR(`__time`), INTERVAL '30' MINUTE))
  GROUP BY window_start, window_end, `key_customer_id`
);
END;
