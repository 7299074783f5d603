"""Avro and JSON Schema for messages: schemas of tables, kept in a Confluent-compatible registry.

Not to be confused with ``sinks.registry``, which knows the sinks.

A sink makes one ``encoder.SchemaEncoder``; it gives the bytes of keys and values, and registers
a schema before the first message that needs it. ``docs/sinks/kafka-schemas.md`` tells what they
look like.
"""
