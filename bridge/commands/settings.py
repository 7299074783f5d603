"""The configuration as a verb needs it: read, checked, and logging set up by it."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from bridge import log
from bridge.commands.parsing import DEFAULT_CONFIG
from bridge.config import Config, SinkConfig, load_config, secrets_of
from bridge.core.errors import ConfigError


def load_settings(args: Namespace) -> Config:
    """Return the configuration that the flags name, and log as it says from here on.

    Without ``--config`` and without a ``pgbridge.yaml`` the environment may hold everything.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong.
    """
    overrides: dict[str, object] = {}
    if args.log_level is not None:
        overrides["log.level"] = args.log_level
    if args.log_format is not None:
        overrides["log.format"] = args.log_format
    config = load_config(config_path(args), overrides)
    log.protect(secrets_of(config))
    log.configure(config.log.level, config.log.format)
    return config


def config_path(args: Namespace) -> Path | None:
    """Return the file to read; None if the environment is to hold everything."""
    if args.config is None and "PGBRIDGE_SOURCE__DSN" in os.environ:
        return Path(DEFAULT_CONFIG) if Path(DEFAULT_CONFIG).exists() else None
    return Path(args.config or DEFAULT_CONFIG)


def configured_sink(config: Config, name: str) -> SinkConfig:
    """Return the settings of a sink.

    Raises:
        ConfigError: there is no sink with this name.
    """
    for sink in config.sinks:
        if sink.name == name:
            return sink
    names = ", ".join(sink.name for sink in config.sinks)
    raise ConfigError(
        f"No sink is called {name!r} in the configuration.", remedy=f"It has: {names}."
    )
