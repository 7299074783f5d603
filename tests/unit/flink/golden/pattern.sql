-- Made by pgbridge flink-sql. docs/flink.md says what means the same here and what does not.
-- Texts of timestamps, windows and dates are in UTC.
SET 'table.local-time-zone' = 'UTC';

CREATE TEMPORARY TABLE `card_testing_events_source` (
  `new_values` ROW<`card` STRING, `id` BIGINT, `order_id` BIGINT, `amount` DECIMAL(10, 2), `paid_at` TIMESTAMP_LTZ(6)>,
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

CREATE TEMPORARY VIEW `card_testing_events` AS
SELECT
  `__time`,
  `__us`,
  `event_id` AS `__event_id`,
  `new_values`.`card` AS `key_card`,
  `new_values`.`id` AS `value_id`,
  `new_values`.`order_id` AS `value_order_id`,
  `new_values`.`card` AS `value_card`,
  `new_values`.`amount` AS `value_amount`,
  `new_values`.`paid_at` AS `value_paid_at`,
  (`new_values`.`amount` < CAST(5 AS DECIMAL(10, 0))) AS `is_1`
FROM `card_testing_events_source`
WHERE `__selected` AND `__us` - `timestamp` <= 86400000000;

CREATE TEMPORARY TABLE `card_testing` (
  `type` STRING,
  `processor` STRING,
  `key` ROW<`card` STRING>,
  `start` BIGINT,
  `end` BIGINT,
  `events` ROW<`small` ARRAY<ROW<`id` BIGINT, `order_id` BIGINT, `card` STRING, `amount` STRING, `paid_at` STRING>>, `large` ARRAY<ROW<`id` BIGINT, `order_id` BIGINT, `card` STRING, `amount` STRING, `paid_at` STRING>>>
) WITH (
  'connector' = 'kafka',
  'topic' = 'answers',
  'properties.bootstrap.servers' = 'k:9092',
  'format' = 'json',
  'json.encode.decimal-as-plain-number' = 'true'
);

EXECUTE STATEMENT SET
BEGIN
INSERT INTO `card_testing`
SELECT
  'pattern_match',
  'card_testing',
  ROW(`key_card`),
  `event_1___us`,
  `event_3___us`,
  ROW(ARRAY[ROW(`event_1_value_id`, `event_1_value_order_id`, `event_1_value_card`, CAST(`event_1_value_amount` AS STRING), REPLACE(REGEXP_REPLACE(CAST(`event_1_value_paid_at` AS STRING), '\.?0+$', ''), ' ', 'T') || 'Z'), ROW(`event_2_value_id`, `event_2_value_order_id`, `event_2_value_card`, CAST(`event_2_value_amount` AS STRING), REPLACE(REGEXP_REPLACE(CAST(`event_2_value_paid_at` AS STRING), '\.?0+$', ''), ' ', 'T') || 'Z')], ARRAY[ROW(`event_3_value_id`, `event_3_value_order_id`, `event_3_value_card`, CAST(`event_3_value_amount` AS STRING), REPLACE(REGEXP_REPLACE(CAST(`event_3_value_paid_at` AS STRING), '\.?0+$', ''), ' ', 'T') || 'Z')])
FROM `card_testing_events`
MATCH_RECOGNIZE (
  PARTITION BY `key_card`
  ORDER BY `__time`, `__us`, `__event_id`
  MEASURES
    event_1.`value_id` AS `event_1_value_id`,
    event_1.`value_order_id` AS `event_1_value_order_id`,
    event_1.`value_card` AS `event_1_value_card`,
    event_1.`value_amount` AS `event_1_value_amount`,
    event_1.`value_paid_at` AS `event_1_value_paid_at`,
    event_2.`value_id` AS `event_2_value_id`,
    event_2.`value_order_id` AS `event_2_value_order_id`,
    event_2.`value_card` AS `event_2_value_card`,
    event_2.`value_amount` AS `event_2_value_amount`,
    event_2.`value_paid_at` AS `event_2_value_paid_at`,
    event_3.`value_id` AS `event_3_value_id`,
    event_3.`value_order_id` AS `event_3_value_order_id`,
    event_3.`value_card` AS `event_3_value_card`,
    event_3.`value_amount` AS `event_3_value_amount`,
    event_3.`value_paid_at` AS `event_3_value_paid_at`,
    event_1.`__us` AS `event_1___us`,
    event_3.`__us` AS `event_3___us`
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (event_1 between_1* event_2 between_2* event_3)
  WITHIN INTERVAL '0 00:10:00.001' DAY(2) TO SECOND(3)
  DEFINE
    event_1 AS (event_1.`is_1`),
    between_1 AS (between_1.`is_1`) IS NOT TRUE,
    event_2 AS (event_2.`is_1`),
    between_2 AS ((between_2.`value_amount` > (CAST(100 AS DECIMAL(10, 0)) * event_2.`value_amount`))) IS NOT TRUE,
    event_3 AS ((event_3.`value_amount` > (CAST(100 AS DECIMAL(10, 0)) * event_2.`value_amount`))) AND event_3.`__us` - event_1.`__us` < 600000000
);
END;
