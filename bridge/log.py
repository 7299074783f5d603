"""Logging: named events with fields, to standard error, without secrets.

``log = structlog.get_logger()`` in a module, then ``log.info("slot_created", slot=name)``: the name
is a literal that stands in docs/operations.md, the facts are fields. Values of rows are never
logged. Secrets are kept out by not logging them; masking here is the second line of defence.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Literal, TextIO, TypeAlias

import structlog
from structlog.typing import Processor

from bridge.core.secret import MASK, Secret

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Style: TypeAlias = Literal["console", "json"]

_MIN_FRAGMENT = 4
"""Shorter secrets are not searched for: masking every ``a`` would hide the log, not the secret."""

_SECRET_PATTERNS = (
    (re.compile(r"(\b[\w+.-]+://[^\s/:@]*):[^\s@]*@"), rf"\1:{MASK}@"),
    (re.compile(r"(\w*password\s*=\s*)(?:'(?:[^'\\]|\\.)*'|[^\s&,;]+)", re.I), rf"\1{MASK}"),
)

_fragments: set[str] = set()


def protect(secrets: Iterable[Secret]) -> None:
    """Mask the texts of these secrets wherever they turn up, for as long as the process lives."""
    for secret in secrets:
        _fragments.update(text for text in secret.fragments() if len(text) >= _MIN_FRAGMENT)


def mask(text: str) -> str:
    """Return the text without secrets: the protected ones, and what looks like a password."""
    for fragment in sorted(_fragments, key=len, reverse=True):
        if fragment in text:
            text = text.replace(fragment, MASK)
    for pattern, replacement in _SECRET_PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def configure(
    level: Level = "info", style: Style = "console", stream: TextIO | None = None
) -> None:
    """Set up logging for the process: ours, and that of the libraries from warnings upwards.

    Args:
        level: the least severe level that is shown.
        style: ``console`` for people, ``json`` for machines.
        stream: where to; standard error by default.
    """
    stream = sys.stderr if stream is None else stream
    threshold = logging.getLevelNamesMapping()[level.upper()]
    enrich: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        # A plain traceback: the richer forms show local variables, which are rows and passwords.
        structlog.processors.format_exc_info,
        _mask_fields,
    ]
    render = _renderer(style, stream)
    structlog.configure(
        processors=[*enrich, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    libraries = logging.StreamHandler(stream)
    libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *enrich],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[libraries], force=True)


def _renderer(style: Style, stream: TextIO) -> Processor:
    if style == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(),
        timestamp_key="time",
        exception_formatter=structlog.dev.plain_traceback,
    )


def _mask_fields(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    first = {key: event[key] for key in ("time", "level", "event") if key in event}
    return {key: _masked(value) for key, value in {**first, **event}.items()}


def _masked(value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return mask(value)
        case Mapping():
            return {mask(str(key)): _masked(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(item) for item in value]
        case logging.LogRecord():  # of a library; only the formatter sees it
            return value
    return mask(str(value))
