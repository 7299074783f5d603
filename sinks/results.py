"""Which sinks can take results of processors."""

from __future__ import annotations

from sinks.formats import FormatConfig


def check_result_sink(settings: object) -> None:
    """See that a sink can take results as it is configured.

    Args:
        settings: of the sink, an instance of its ``Config``.

    Raises:
        ConfigError: it writes another form of events than ``native``.
    """
    if isinstance(settings, FormatConfig):
        settings.check_results()
