-- Made by pgbridge flink-sql. docs/flink.md says what means the same here and what does not.
-- Texts of timestamps, windows and dates are in UTC.
SET 'table.local-time-zone' = 'UTC';

CREATE TEMPORARY TABLE `per_minute_events_source` (
  `after` ROW<`customer_id` INT, `amount` DECIMAL(10, 2), `created_at` TIMESTAMP_LTZ(6), `status` STRING>,
  `op` STRING,
  `source` ROW<`event_id` STRING, `schema` STRING, `table` STRING, `ts_us` BIGINT>,
  `__selected` AS `op` IN ('c', 'r') AND (`after`.`status` = 'paid') AND `after`.`created_at` IS NOT NULL,
  `__time` AS COALESCE(CAST(`after`.`created_at` AS TIMESTAMP_LTZ(3)), TO_TIMESTAMP_LTZ(0, 3)),
  `__us` AS UNIX_TIMESTAMP(SUBSTRING(CAST(`after`.`created_at` AS STRING), 1, 19)) * 1000000 + CAST(SUBSTRING(CAST(`after`.`created_at` AS STRING), 21, 6) AS BIGINT),
  WATERMARK FOR `__time` AS CASE WHEN `__selected` AND NOT (`op` = 'r') AND `__us` - `source`.`ts_us` <= 86400000000 THEN `__time` - INTERVAL '0 00:00:05.001' DAY(2) TO SECOND(3) END
) WITH (
  'connector' = 'kafka',
  'topic' = 'public.orders',
  'properties.bootstrap.servers' = 'k:9092',
  'properties.group.id' = 'pgbridge-flink',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TEMPORARY VIEW `per_minute_events` AS
SELECT
  `__time`,
  `__us`,
  `source`.`event_id` AS `__event_id`,
  `after`.`customer_id` AS `key_customer_id`,
  `after`.`amount` AS `value_revenue`,
  `after`.`amount` AS `value_mean`
FROM `per_minute_events_source`
WHERE `__selected` AND `__us` - `source`.`ts_us` <= 86400000000;

CREATE TEMPORARY TABLE `per_minute` (
  `type` STRING,
  `processor` STRING,
  `key` ROW<`customer_id` INT>,
  `window` ROW<`start` BIGINT, `end` BIGINT>,
  `values` ROW<`orders` BIGINT, `revenue` STRING, `mean` STRING>,
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
INSERT INTO `per_minute`
SELECT
  'window_result',
  'per_minute',
  ROW(`key_customer_id`),
  ROW(`start_us`, `end_us`),
  ROW(`result_orders`, CAST(`result_revenue` AS STRING), CAST(`result_mean` AS STRING)),
  TRUE,
  0
FROM (
  SELECT
    `key_customer_id`,
    UNIX_TIMESTAMP(SUBSTRING(CAST(window_start AS STRING), 1, 19)) * 1000000 + EXTRACT(MILLISECOND FROM window_start) * 1000 AS `start_us`,
    UNIX_TIMESTAMP(SUBSTRING(CAST(window_end AS STRING), 1, 19)) * 1000000 + EXTRACT(MILLISECOND FROM window_end) * 1000 AS `end_us`,
    COUNT(*) AS `result_orders`,
    SUM(CAST(`value_revenue` AS DECIMAL(38, 2))) AS `result_revenue`,
    AVG(CAST(`value_mean` AS DECIMAL(38, 18))) AS `result_mean`
  FROM TABLE(TUMBLE(TABLE `per_minute_events`, DESCRIPTOR(`__time`), INTERVAL '1' MINUTE, INTERVAL '10' SECOND))
  GROUP BY window_start, window_end, `key_customer_id`
);
END;
