"""Stream processing in the running bridge: the thread, the stores on disk, and delivery.

::

    Backlog ──▶ ProcessingWorker ──▶ StateStore ──▶ Outbox ──▶ SinkWorker ──▶ a result sink
                (states, results)    (checkpoint)

Results leave through the store alone: what a sink has got was durable before.
"""
