"""``processors`` in pgbridge.yaml: read, checked at each place, shown and described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.config import json_schema, load_config, show
from bridge.config.durations import duration_us
from bridge.config.inputs import FromConfig, InputConfig
from bridge.config.problems import ConfigInvalid
from bridge.config.processors import ProcessorConfig, WindowConfig
from bridge.core.errors import ConfigError

PROCESSOR: dict[str, Any] = {
    "name": "revenue",
    "from": {"tables": ["public.orders"], "operations": ["insert"]},
    "where": "new.status = 'paid'",
    "key": ["customer_id"],
    "time": "new.created_at",
    "window": {"type": "tumbling", "size": "1m"},
    "aggregates": {"orders": "count()", "revenue": "sum(new.amount)"},
    "allowed_lateness": "10s",
    "to": ["results"],
}
PATTERN: dict[str, Any] = {
    "name": "series",
    "from": {"tables": ["public.orders"]},
    "pattern": {"steps": [{"begin": "small"}]},
    "to": ["results"],
}
JOIN: dict[str, Any] = {
    "name": "pairs",
    "join": {"type": "interval", "after": "1m"},
    "left": {"tables": ["public.orders"], "key": ["id"]},
    "right": {"tables": ["public.payments"], "key": ["order_id"]},
    "to": ["results"],
}
SINKS = [{"type": "stdout"}, {"type": "file", "name": "results", "path": "results.jsonl"}]


def load(tmp_path: Path, *processors: Any) -> tuple[ProcessorConfig, ...]:
    file = tmp_path / "pgbridge.yaml"
    document = {"source": {"dsn": "x"}, "sinks": SINKS, "processors": list(processors)}
    file.write_text(yaml.safe_dump(document))
    return load_config(file, {}, {}).processors


def changed(**settings: Any) -> dict[str, Any]:
    """Return the processor with other settings; None leaves one out."""
    return {name: value for name, value in (PROCESSOR | settings).items() if value is not None}


def test_a_processor_is_read(tmp_path: Path) -> None:
    assert load(tmp_path, PROCESSOR) == (
        ProcessorConfig(
            name="revenue",
            from_=FromConfig(tables=("public.orders",), operations=("insert",)),
            where="new.status = 'paid'",
            key=("customer_id",),
            time="new.created_at",
            window=WindowConfig(type="tumbling", size="1m"),
            aggregates={"orders": "count()", "revenue": "sum(new.amount)"},
            allowed_lateness="10s",
            to=("results",),
        ),
    )
    assert load(tmp_path, PROCESSOR)[0].input == InputConfig(
        tables=("public.orders",),
        operations=("insert",),
        where="new.status = 'paid'",
        key=("customer_id",),
        time="new.created_at",
    )


def test_without_processors_there_are_none(tmp_path: Path) -> None:
    assert load(tmp_path) == ()


@pytest.mark.parametrize(
    ("processor", "message"),
    [
        (changed(form={}), r"processors\[0\]\.form \(.*\): .* did you mean 'from'\?"),
        (changed(window={"type": "tumbling", "sise": "1m"}),
         r"processors\[0\]\.window\.sise \(.*\): .* did you mean 'size'\?"),
        (changed(window={"type": "hopping"}), r"window\.type .*: has to be one of tumbling"),
        (changed(window={"type": "tumbling", "size": "1 minute"}),
         r"window\.size .*: has to be a length of time such as 500ms"),
        (changed(window={"type": "tumbling", "size": 60}), r"window\.size .*: has to be text"),
        (changed(**{"from": {"tables": ["public.orders"], "operations": ["truncate"]}}),
         r"from\.operations\[0\] .*: has to be one of insert, update, delete, read"),
        (changed(**{"from": {}}), r"from\.tables .*: is required"),
        (changed(where="a = 'paid' and"), r"where \(line \d+\): the expression cannot be read"),
        (changed(time="uper(x)"), r"processors\[0\]\.time .*did you mean upper\?"),
        (changed(key=["a b"]), r"processors\[0\]\.key\[0\] "),
        (changed(key={"x": "a +"}), r"processors\[0\]\.key\.x "),
        (changed(aggregates={"n": "count("}), r"processors\[0\]\.aggregates\.n .*not closed"),
        (changed(aggregates={"n": "count()", "m": "summ(a)"}),
         r"processors\[0\]\.aggregates\.m \(line \d+\): .*mean sum\?\):\n +summ\(a\)\n +\^"),
        (changed(aggregates={"n": "sum(a +)"}), r"processors\[0\]\.aggregates\.n "),
        (changed(window=None, aggregates=None), r"needs window \(with aggregates\), join, pattern"),
        (changed(aggregates=None), r"aggregates .*: is required in a processor with window"),
        (changed(name=None), r"name .*: is required in a processor with window"),
        (changed(name="a b"), r"name .*: has to be at most 63 letters"),
        (changed(select={"a": "left.b"}), r"select .*: does not belong to a processor with window"),
        (changed(python="a:b"), r"processors\[0\].*: has python and window; a processor has one"),
        (changed(to=["result"]), r"to\[0\] .*: there is no sink 'result'; did you mean 'results'"),
        (changed(to=None), r"processors\[0\]\.to.*: is required"),
        (changed(late_to=["late"]), r"late_to\[0\] .*: there is no sink 'late'"),
        (changed(window={"type": "count", "count": 2}, late_to=["results"]),
         r"late_to .*: cannot be used: no event is late for a count window"),
        (changed(time="processing", late_to=["results"]), r"late_to .*late in processing time"),
        (changed(timed_out_to=["results"]), r"timed_out_to .*: does not belong to a processor"),
        (PATTERN | {"timed_out_to": ["results"]}, r"timed_out_to .*: needs pattern\.within"),
        (PATTERN | {"pattern": {"steps": [{"begin": "a", "where": ["x = 1", "x = "]}]}},
         r"processors\[0\]\.pattern\.steps\[0\]\.where\[1\] \(line \d+\): the expression cannot"),
        (JOIN | {"select": {"a": "left.x +"}}, r"processors\[0\]\.select\.a .*cannot be read"),
        (JOIN | {"join": {"type": "table"}, "late_to": ["results"]},
         r"late_to .*: cannot be used: no event is late in a join with a table"),
        (changed(window={"type": "tumbling"}), r"window \(line \d+\): a tumbling .* needs size"),
        (changed(window={"type": "tumbling", "size": "0s"}), r"window .*size of a tumbling window"),
        (changed(window={"type": "tumbling", "size": "1d", "timezone": "Mars/One"}),
         r"window .*timezone 'Mars/One' is unknown"),
        (changed(mode="changes"), r"mode .*: has to be one of append, changelog"),
        (changed(version=0), r"version .*: has to be at least 1"),
        (5, r"processors\[0\] .*: has to be a section"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_at_its_place(tmp_path: Path, processor: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, processor)


def test_what_cannot_be_read_moves_no_other_mistake_and_makes_none(tmp_path: Path) -> None:
    """The third would be called the first, and the sink that has a mistake would not be there."""
    file = tmp_path / "pgbridge.yaml"
    processors = [
        changed(window="tumbling"),
        PROCESSOR,
        changed(name="b", to=None),
        changed(name="c", to=["reslts"]),
    ]
    document = {"source": {"dsn": "x"}, "sinks": SINKS, "processors": processors}
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigInvalid) as caught:
        load_config(file, {}, {})
    paths = [problem.path for problem in caught.value.problems]
    assert paths == ["processors[0].window", "processors[2].to", "processors[3].to[0]"]

    document["sinks"] = [SINKS[0], {**SINKS[1], "path": 5}]
    document["processors"] = [PROCESSOR]
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigInvalid) as caught:
        load_config(file, {}, {})
    assert [problem.path for problem in caught.value.problems] == ["sinks[1].path"]


def test_two_processors_may_not_share_a_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"processors\[1\]\.name.*are called 'revenue'"):
        load(tmp_path, PROCESSOR, PROCESSOR)


def test_they_are_shown_as_they_are_written(tmp_path: Path) -> None:
    load(tmp_path, PROCESSOR)
    [shown] = show(load_config(tmp_path / "pgbridge.yaml", {}, {}))["processors"]
    assert shown["from"] == {"tables": ["public.orders"], "operations": ["insert"]}
    assert {name: shown[name] for name in PROCESSOR if name not in ("from", "window")} == {
        name: value for name, value in PROCESSOR.items() if name not in ("from", "window")
    }


def test_the_schema_describes_them_under_the_names_of_the_file() -> None:
    described = json_schema()["properties"]["processors"]["items"]["properties"]
    assert "from_" not in described
    assert described["from"]["description"] == "which changes it looks at."
    assert described["window"]["description"] == "which events belong together."
    for setting in described.values():
        assert setting["description"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5us", 5), ("500ms", 500_000), ("1.5s", 1_500_000), ("2m", 120_000_000),
     ("1h", 3_600_000_000), ("7d", 604_800_000_000), ("-6h", -21_600_000_000), ("0s", 0)],
)  # fmt: skip
def test_lengths_of_time(text: str, expected: int) -> None:
    assert duration_us(text) == expected


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "5y", "1:30"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="length of time"):
        duration_us(text)
