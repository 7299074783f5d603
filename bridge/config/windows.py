"""From the section of a window to the window that it describes."""

from __future__ import annotations

from typing import Final

from bridge.config.durations import duration_us
from bridge.config.processors import WindowConfig
from bridge.core.errors import ConfigError
from bridge.processing.windows import WindowType
from bridge.processing.windows.definitions import Window

_SETTINGS: Final = {
    "tumbling": ("size", "offset", "timezone"),
    "sliding": ("size", "slide", "offset"),
    "session": ("gap",),
    "count": ("count", "slide"),
    "global": (),
}
_OPTIONAL: Final = ("offset", "timezone")


def window_of(config: WindowConfig) -> Window:
    """Return the window that a section describes.

    Raises:
        ConfigError: a setting is missing, or does not belong to its type, or makes no sense.
    """
    own = _SETTINGS[config.type]
    for name in ("size", "slide", "gap", "count", "offset", "timezone"):
        given = getattr(config, name) is not None
        if given and name not in own:
            raise ConfigError(f"{name} does not belong to a {config.type} window.")
        optional = name in _OPTIONAL or (config.type, name) == ("count", "slide")
        if name in own and not given and not optional:
            raise ConfigError(f"a {config.type} window needs {name}.")
    match config.type:
        case "tumbling":
            return WindowType.Tumbling(
                _us(config.size), _us(config.offset), timezone=config.timezone
            )
        case "sliding":
            if not isinstance(config.slide, str):
                raise ConfigError("slide of a sliding window is no length of time such as 10s.")
            return WindowType.Sliding(_us(config.size), _us(config.slide), _us(config.offset))
        case "session":
            return WindowType.Session(_us(config.gap))
        case "count":
            if isinstance(config.slide, str):
                raise ConfigError("slide of a count window is no number of events.")
            assert config.count is not None
            return WindowType.Count(config.count, config.slide)
        case "global":
            return WindowType.Global()


def _us(text: str | None) -> int:
    try:
        return 0 if text is None else duration_us(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is {error}.") from None
