"""Processors as Flink SQL over the topics that the Kafka sink writes (``docs/flink.md``).

``compiler`` puts the parts together: ``sources`` makes a view of the events of a processor, with
``topics`` and ``layouts`` for where and how they lie; ``windows``, ``joins`` and ``patterns`` make
its query, ``expressions`` the SQL of its expressions, ``results`` its sink.
"""

from __future__ import annotations

from bridge.flink.compiler import compile_processors

__all__ = ["compile_processors"]
