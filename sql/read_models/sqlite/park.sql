INSERT INTO pgbridge_parked_events
VALUES (:build, :global_sequence, :event_id, :event_type, :aggregate_type, :aggregate_id, :reason,
        :parked_at)
