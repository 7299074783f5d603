"""Processors: from their definitions to dataflows that turn changes into results.

``docs/processors.md`` says how they are defined.
"""

from __future__ import annotations
