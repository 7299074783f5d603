SELECT
    (SELECT count(*) FROM event) AS events,
    (SELECT count(*) FROM aggregate) AS aggregates,
    (SELECT count(*) FROM snapshot) AS snapshots
