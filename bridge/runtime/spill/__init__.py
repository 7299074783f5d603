"""The disk behind an optional sink: events that the server may forget and the sink has not yet.

::

    stream ──▶ Backlog ──▶ SinkWorker ──▶ Inlet ──▶ Spill ──▶ SinkWorker ──▶ the sink
                              │ durable by fsync                  │ durable in the target
                              ▼                                   ▼
                           Ledger: the slot goes on       the sink's own position

The spill is a sink towards the stream and a source of batches towards the real sink. It is bounded;
when it is full, events are missed, and the ``Inlet`` names them as a gap.
"""
