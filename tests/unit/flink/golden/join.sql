-- Made by pgbridge flink-sql. docs/flink.md says what means the same here and what does not.
-- Texts of timestamps, windows and dates are in UTC.
SET 'table.local-time-zone' = 'UTC';

CREATE TEMPORARY TABLE `paid_left_source` (
  `new_values` ROW<`id` BIGINT, `placed_on` DATE, `created_at` TIMESTAMP_LTZ(6)>,
  `event_id` STRING,
  `schema` STRING,
  `table` STRING,
  `operation` STRING,
  `timestamp` BIGINT,
  `__selected` AS `operation` IN ('Insert', 'Read') AND `new_values`.`created_at` IS NOT NULL,
  `__time` AS COALESCE(CAST(`new_values`.`created_at` AS TIMESTAMP_LTZ(3)), TO_TIMESTAMP_LTZ(0, 3)),
  `__us` AS UNIX_TIMESTAMP(SUBSTRING(CAST(`new_values`.`created_at` AS STRING), 1, 19)) * 1000000 + CAST(SUBSTRING(CAST(`new_values`.`created_at` AS STRING), 21, 6) AS BIGINT),
  WATERMARK FOR `__time` AS CASE WHEN `__selected` AND NOT (`operation` = 'Read') AND `__us` - `timestamp` <= 86400000000 THEN `__time` - INTERVAL '0 00:00:01.001' DAY(2) TO SECOND(3) END
) WITH (
  'connector' = 'kafka',
  'topic' = 'public.orders',
  'properties.bootstrap.servers' = 'k:9092',
  'properties.group.id' = 'pgbridge-flink',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TEMPORARY VIEW `paid_left` AS
SELECT
  `__time`,
  `__us`,
  `event_id` AS `__event_id`,
  `new_values`.`id` AS `key_id`,
  `new_values`.`id` AS `value_order_id`,
  `new_values`.`placed_on` AS `value_placed`
FROM `paid_left_source`
WHERE `__selected` AND `__us` - `timestamp` <= 86400000000;

CREATE TEMPORARY TABLE `paid_right_source` (
  `new_values` ROW<`order_id` BIGINT, `amount` DECIMAL(10, 2), `paid_at` TIMESTAMP_LTZ(6)>,
  `event_id` STRING,
  `schema` STRING,
  `table` STRING,
  `operation` STRING,
  `timestamp` BIGINT,
  `__selected` AS `operation` IN ('Insert', 'Read') AND `new_values`.`paid_at` IS NOT NULL,
  `__time` AS COALESCE(CAST(`new_values`.`paid_at` AS TIMESTAMP_LTZ(3)), TO_TIMESTAMP_LTZ(0, 3)),
  `__us` AS UNIX_TIMESTAMP(SUBSTRING(CAST(`new_values`.`paid_at` AS STRING), 1, 19)) * 1000000 + CAST(SUBSTRING(CAST(`new_values`.`paid_at` AS STRING), 21, 6) AS BIGINT),
  WATERMARK FOR `__time` AS CASE WHEN `__selected` AND NOT (`operation` = 'Read') AND `__us` - `timestamp` <= 86400000000 THEN `__time` - INTERVAL '0 00:00:01.001' DAY(2) TO SECOND(3) END
) WITH (
  'connector' = 'kafka',
  'topic' = 'public.payments',
  'properties.bootstrap.servers' = 'k:9092',
  'properties.group.id' = 'pgbridge-flink',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TEMPORARY VIEW `paid_right` AS
SELECT
  `__time`,
  `__us`,
  `event_id` AS `__event_id`,
  `new_values`.`order_id` AS `key_order_id`,
  `new_values`.`amount` AS `value_amount`
FROM `paid_right_source`
WHERE `__selected` AND `__us` - `timestamp` <= 86400000000;

CREATE TEMPORARY TABLE `paid` (
  `type` STRING,
  `processor` STRING,
  `key` ROW<`id` BIGINT>,
  `timestamp` BIGINT,
  `values` ROW<`order_id` BIGINT, `placed` STRING, `amount` STRING>
) WITH (
  'connector' = 'kafka',
  'topic' = 'answers',
  'properties.bootstrap.servers' = 'k:9092',
  'format' = 'json',
  'json.encode.decimal-as-plain-number' = 'true'
);

EXECUTE STATEMENT SET
BEGIN
INSERT INTO `paid`
SELECT
  'join_result',
  'paid',
  ROW(COALESCE(`left`.`key_id`, `right`.`key_order_id`)),
  CASE WHEN `right`.`__us` IS NULL OR `left`.`__us` > `right`.`__us` THEN `left`.`__us` ELSE `right`.`__us` END,
  ROW(`left`.`value_order_id`, CAST(`left`.`value_placed` AS STRING), CAST(`right`.`value_amount` AS STRING))
FROM `paid_left` AS `left`
LEFT JOIN `paid_right` AS `right`
ON `left`.`key_id` = `right`.`key_order_id`
  AND `right`.`__time` BETWEEN `left`.`__time` - INTERVAL '1' SECOND AND `left`.`__time` + INTERVAL '10' MINUTE
  AND `right`.`__us` - `left`.`__us` BETWEEN -1000000 AND 600000000;
END;
