-- Made by pgbridge flink-sql. docs/flink.md says what means the same here and what does not.
-- Texts of timestamps, windows and dates are in UTC.
SET 'table.local-time-zone' = 'UTC';

CREATE TEMPORARY TABLE `revenue_events_source` (
  `customer_id` INT,
  `amount` DECIMAL(10, 2),
  `created_at` TIMESTAMP_LTZ(6),
  `__source` MAP<STRING, STRING> METADATA FROM 'value.source.properties' VIRTUAL,
  `__selected` AS `created_at` IS NOT NULL,
  `__time` AS COALESCE(CAST(`created_at` AS TIMESTAMP_LTZ(3)), TO_TIMESTAMP_LTZ(0, 3)),
  `__us` AS UNIX_TIMESTAMP(SUBSTRING(CAST(`created_at` AS STRING), 1, 19)) * 1000000 + CAST(SUBSTRING(CAST(`created_at` AS STRING), 21, 6) AS BIGINT),
  WATERMARK FOR `__time` AS CASE WHEN `__selected` AND NOT (`__source`['snapshot'] = 'true') AND `__us` - CAST(`__source`['ts_us'] AS BIGINT) <= 86400000000 THEN `__time` - INTERVAL '0 00:00:01.001' DAY(2) TO SECOND(3) END
) WITH (
  'connector' = 'kafka',
  'topic' = 'public.orders',
  'properties.bootstrap.servers' = 'k:9092',
  'properties.group.id' = 'pgbridge-flink',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'debezium-json',
  'debezium-json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TEMPORARY VIEW `revenue_events` AS
SELECT
  `__time`,
  `__us`,
  `__source`['event_id'] AS `__event_id`,
  `customer_id` AS `key_customer_id`,
  `amount` AS `value_revenue`
FROM `revenue_events_source`
WHERE `__selected`;

CREATE TEMPORARY TABLE `revenue` (
  `type` STRING,
  `processor` STRING,
  `key` ROW<`customer_id` INT>,
  `window` ROW<`start` BIGINT, `end` BIGINT>,
  `values` ROW<`revenue` STRING>,
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
INSERT INTO `revenue`
SELECT
  'window_result',
  'revenue',
  ROW(`key_customer_id`),
  ROW(`start_us`, `end_us`),
  ROW(CAST(`result_revenue` AS STRING)),
  TRUE,
  0
FROM (
  SELECT
    `key_customer_id`,
    UNIX_TIMESTAMP(SUBSTRING(CAST(window_start AS STRING), 1, 19)) * 1000000 + EXTRACT(MILLISECOND FROM window_start) * 1000 AS `start_us`,
    UNIX_TIMESTAMP(SUBSTRING(CAST(window_end AS STRING), 1, 19)) * 1000000 + EXTRACT(MILLISECOND FROM window_end) * 1000 AS `end_us`,
    SUM(CAST(`value_revenue` AS DECIMAL(38, 2))) AS `result_revenue`
  FROM TABLE(TUMBLE(TABLE `revenue_events`, DESCRIPTOR(`__time`), INTERVAL '1' DAY))
  GROUP BY window_start, window_end, `key_customer_id`
);
END;
