"""The sink ``rabbitmq``: events as messages of AMQP 0-9-1, each confirmed by the broker.

``sink`` is what the worker drives; it hands numbered messages to a ``publisher``, which owns the
connections and the thread that serves them, and tells up to which number everything is settled.
"""
