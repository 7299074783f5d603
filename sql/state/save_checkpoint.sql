INSERT INTO checkpoint (
    slot, system_identifier, timeline, database, publication, phase, confirmed_lsn
)
VALUES (:slot, :system_identifier, :timeline, :database, :publication, :phase, :confirmed_lsn)
ON CONFLICT (slot) DO UPDATE SET
    system_identifier = excluded.system_identifier,
    timeline = excluded.timeline,
    database = excluded.database,
    publication = excluded.publication,
    phase = excluded.phase,
    confirmed_lsn = excluded.confirmed_lsn
