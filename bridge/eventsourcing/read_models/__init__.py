"""Read models: domain events folded into rows of a table, one row for each key.

A read model is written in Python (``model``). Its rows are a *view*, kept by a ``ViewStorage``
(``views``) together with the place in the order of events up to which they are folded. A *build*
is one table with rows; readers see the live one, while a rebuild makes the next one beside it.
"""

from __future__ import annotations

from bridge.eventsourcing.read_models.model import ReadModel

__all__ = ["ReadModel"]
