"""From a tree of plain values to the dataclasses of the settings; the only user of pydantic.

pydantic checks and converts; the words are ours, because its messages speak of inputs and quote
them, and an input may be a password.
"""

from __future__ import annotations

import difflib
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Any, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from bridge.config.docstrings import attribute_docs, setting_name
from bridge.config.problems import Findings, Path, unknown_key
from bridge.core.errors import ConfigError

T = TypeVar("T")


def validate(shape: type[T], raw: object, path: Path, findings: Findings) -> T | None:
    """Return an instance of the dataclass ``shape``, or None and why in ``findings``.

    Args:
        shape: a dataclass of the standard library; bounds stand in the metadata of its fields.
        raw: what the file holds there; None (an empty section) counts as a section without keys.
        path: where ``raw`` stands.
    """
    try:
        checked = _holder(cast(type, shape)).model_validate({"value": {} if raw is None else raw})
    except ValidationError as error:
        found: dict[Path, Any] = {}
        for detail in error.errors(include_url=False, include_input=False):
            at = _path_in(raw, detail["loc"][1:], missing=detail["type"] == "missing")
            found.setdefault(at, detail)
        for at, detail in found.items():
            # Of the branches of a union, the one that got furthest says what is wrong.
            surpassed = any(len(other) > len(at) and other[: len(at)] == at for other in found)
            if not surpassed and not findings.has(path + at):
                findings.add(path + at, _words(shape, at, raw, detail))
        return None
    except ConfigError as error:  # a check of the dataclass's own
        if not findings.has(path):
            findings.add(path, str(error))
        return None
    value: T = checked.value  # type: ignore[attr-defined]
    return value


def section_schema(shape: type) -> dict[str, Any]:
    """Return the JSON Schema of the dataclass ``shape``, as pydantic writes it."""
    return TypeAdapter(shape).json_schema()


@functools.cache
def _holder(shape: type) -> type[BaseModel]:
    """Wrap a dataclass, so that it and those in it refuse unknown keys."""
    model: type[BaseModel] = create_model(
        "Section", __config__=ConfigDict(extra="forbid"), value=(shape, ...)
    )
    return model


def _path_in(raw: object, location: tuple[int | str, ...], *, missing: bool) -> Path:
    """Keep of a location what stands in the file; pydantic adds the branches of unions."""
    at: Any = raw
    path: list[str | int] = []
    for step in location:
        if _has(at, step):
            at = at[step]
        elif not (missing and step == location[-1]):
            continue
        path.append(step)
    return tuple(path)


def _has(at: object, step: str | int) -> bool:
    if isinstance(at, list):
        return isinstance(step, int) and step < len(at)
    return isinstance(at, Mapping) and step in at


def _words(shape: type, at: Path, raw: object, detail: Any) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    owner, setting, hint = _find_field(shape, at)
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return unknown_key(str(at[-1]), _names(owner))
    if kind == "missing":
        return f"is required: {attribute_docs(owner).get(str(at[-1]), 'it has no default.')}"
    if kind == "value_error":
        return str(context["error"])
    if kind in ("literal_error", "enum"):
        return _choice(_choices(hint), _value_at(raw, at))
    if kind in ("dataclass_type", "dict_type", "mapping_type", "model_type"):
        names = _names(_dataclass_among(_options(hint)) or object)
        return (
            f"has to be a section with {'the settings ' + ', '.join(names) if names else 'keys'}."
        )
    if kind == "string_pattern_mismatch":
        form = setting.metadata.get("form") if setting else None
        return f"has to be {form or 'of the form ' + context['pattern']}."
    bound = _BOUNDS.get(kind)
    if bound is not None:
        return f"{bound[0]} {context[bound[1]]}{bound[2] if len(bound) > 2 else ''}."
    return _KINDS.get(kind, f"is not valid ({kind.replace('_', ' ')}).")


_BOUNDS: dict[str, tuple[str, ...]] = {
    "greater_than_equal": ("has to be at least", "ge"),
    "greater_than": ("has to be more than", "gt"),
    "less_than_equal": ("has to be at most", "le"),
    "less_than": ("has to be less than", "lt"),
    "string_too_short": ("has to have at least", "min_length", " characters"),
    "string_too_long": ("has to have at most", "max_length", " characters"),
    "too_short": ("has to have at least", "min_length", " items"),
    "too_long": ("has to have at most", "max_length", " items"),
}

_TEXT = "has to be text; put the value in quotes."
_WHOLE = "has to be a whole number."
_NUMBER = "has to be a number."
_LIST = "has to be a list: [a, b]."
_KINDS: dict[str, str] = {
    "string_type": _TEXT,
    "path_type": _TEXT,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": "has to be true or false.",
    "bool_parsing": "has to be true or false.",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "none_required": "has to be null.",
}


def _names(shape: type) -> list[str]:
    return [setting_name(item) for item in fields(shape)] if is_dataclass(shape) else []


def _find_field(shape: type, path: Path) -> tuple[type, Field[Any] | None, Any]:
    """Return what a path below a dataclass leads to.

    Returns:
        the innermost dataclass on the way, its field on the way (None if there is no such), and
        the type of what stands at the path.
    """
    owner, found, hint = shape, None, cast(Any, shape)
    for step in path:
        options = _options(hint)
        inner = _dataclass_among(options)
        names = _names(inner or object)
        keyed = next((o for o in options if typing.get_origin(o) in (Mapping, dict)), None)
        if inner is not None and (keyed is None or step in names):
            owner = inner
            found = next((item for item in fields(owner) if setting_name(item) == step), None)
            if found is None:
                break
            hint = typing.get_type_hints(owner)[found.name]
        elif keyed is not None:
            hint = typing.get_args(keyed)[1]
        else:
            hint = next((typing.get_args(o)[0] for o in options if typing.get_args(o)), None)
    return owner, found, hint


def _options(hint: Any) -> list[Any]:
    """Return the branches of a union, or the type alone."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return list(typing.get_args(hint))
    return [hint]


def _dataclass_among(options: list[Any]) -> type | None:
    return next((o for o in options if isinstance(o, type) and is_dataclass(o)), None)


def _choices(hint: Any) -> list[str]:
    literals = [option for option in _options(hint) if typing.get_origin(option) is Literal]
    return [str(choice) for literal in literals for choice in typing.get_args(literal)]


def _choice(choices: list[str], value: object) -> str:
    near = difflib.get_close_matches(str(value).lower(), choices, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"has to be one of {', '.join(choices)}.{hint}"


def _value_at(raw: object, path: Path) -> object:
    for step in path:
        raw = raw[step]  # type: ignore[index]
    return raw
