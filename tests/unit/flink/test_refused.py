"""What Flink SQL cannot express is an error that names the processor, never another result."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.core.errors import ConfigError
from tests.unit.flink.compiling import ANSWERS, CHANGES, compiled

TUMBLING = "window: {type: tumbling, size: 1m}"
COUNT = "aggregates: {n: count()}"
FROM = "from: {tables: [public.orders]}, time: new.created_at"


def pattern(*steps: str, more: str = "") -> str:
    listed = ", ".join(steps)
    return (
        "{name: p, from: {tables: [public.payments]}, key: [card], time: new.paid_at,"
        f" pattern: {{{more} steps: [{listed}]}}}}"
    )


A, B = '{begin: a, where: "new.amount > 1"}', '{next: b, where: "new.amount > 2"}'


def window(window: str, *, aggregates: str = "n: count()", more: str = "") -> str:
    return f"{{name: p, {FROM}, window: {{{window}}}, aggregates: {{{aggregates}}}{more}}}"


@pytest.mark.parametrize(
    ("processor", "words"),
    [
        (window("type: count, count: 10"), "no count windows"),
        (window("type: global", more=", emit: updates"), "no global windows"),
        (window("type: tumbling, size: 1d, timezone: Europe/Berlin"), "timezone"),
        (window("type: sliding, size: 1m, slide: 7s"), "multiple of slide"),
        (window("type: tumbling, size: 1500us"), "milliseconds"),
        (window("type: tumbling, size: 1m", more=", allowed_lateness: 5s"), "allowed_lateness"),
        (window("type: tumbling, size: 1m", more=", emit: updates"), "once"),
        (window("type: tumbling, size: 1m", aggregates="x: first(new.id)"), "no first"),
        (window("type: tumbling, size: 1m", aggregates='x: "top_k(new.id, 3)"'), "no top_k"),
        (window("type: tumbling, size: 1m", aggregates="x: sum(new.rate)"), "precision"),
        (window("type: tumbling, size: 1m", aggregates="x: count(distinct new.rate)"), "no count"),
        (window("type: tumbling, size: 1m", aggregates="x: max(new.details)"), "details"),
        (window("type: tumbling, size: 1m", more=", key: [weight]"), "equal ones"),
        (f"{{name: p, from: {{tables: [public.orders]}}, time: processing, {TUMBLING}, {COUNT}}}",
         "processing time"),
        (f"{{name: p, from: {{tables: [public.nothing]}}, {TUMBLING}, {COUNT}}}",
         "public.nothing"),
        ("{name: p, join: {type: as_of}, left: {tables: [public.orders], key: [id]},"
         " right: {tables: [public.payments], key: [order_id]}}", "as_of"),
        ("{name: p, join: {type: interval, after: 1s}, left: {tables: [public.orders], key: [id]},"
         " right: {tables: [public.payments], key: [card]}, select: {x: left.id}}", "Cast one"),
        (pattern(A, "{followed_by_any: b}"), "followed_by_any"),
        (pattern(A, "{next: b, one_or_more: true}"), "one_or_more"),
        (pattern(A, "{next: b, times: [1, 2]}"), "not fixed"),
        (pattern(A, "{not_next: b}", "{next: c}"), "not_next"),
        (pattern(A, "{not_followed_by: b}", more="within: 1m,"), "at the end"),
        (pattern('{begin: a, times: 2}', "{not_followed_by: b}", "{next: c}"), "not_followed_by"),
        (pattern(A, '{next: b, where: "new.amount > sum(a.amount)", times: 2}', '{next: c,'
                    ' where: "new.amount > sum(b.amount)"}'), "sum"),
        (pattern(A, B, more="within: 1m,").replace("key:", "timed_out_to: [answers], key:"),
         "timed_out_to"),
        (window("type: tumbling, size: 1m", more=", late_to: [answers]"), "late_to"),
    ],
)  # fmt: skip
def test_what_flink_cannot_do_names_the_processor(
    processor: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as refused:
        compiled(tmp_path, processor)
    text = f"{refused.value.message} {refused.value.remedy}"
    assert text.startswith("The processor 'p' cannot run on Flink: ")
    assert words in text
    assert refused.value.remedy or "\n" in text  # or the place in an expression


@pytest.mark.parametrize(
    ("sink", "words"),
    [
        ("format: cloudevents", "format"),
        ("columns: {public.orders: [id]}", "leaves out"),
        ("rename: {public.orders: {id: order_id}}", "renames"),
        ('filter: {where: "new.id > 1"}', "leaves out"),
        ("filter: {operations: [insert]}", "operations"),
        ("filter: {tables: [public.payments]}", "does not get"),
        ("routes: [{to: elsewhere}]", "rules"),
        ("tombstones: true", "two events"),
    ],
)
def test_a_sink_that_leaves_flink_with_something_else(
    sink: str, words: str, tmp_path: Path
) -> None:
    changes = CHANGES.replace("type: kafka", f"type: kafka, {sink}")
    with pytest.raises(ConfigError, match=words) as refused:
        compiled(tmp_path, window("type: tumbling, size: 1m"), changes=changes)
    assert "'changes'" in refused.value.message


@pytest.mark.parametrize("topic", ["all", "{table}", "{database}.{schema}.{table}"])
def test_a_topic_that_flink_cannot_name_or_tell_tables_apart_in(topic: str, tmp_path: Path) -> None:
    changes = CHANGES.replace("{schema}.{table}", topic)
    with pytest.raises(ConfigError, match="topic"):
        compiled(tmp_path, window("type: tumbling, size: 1m"), changes=changes)


def test_changelog_mode_needs_debezium_and_one_order_for_each_row(tmp_path: Path) -> None:
    processor = window("type: tumbling, size: 1m", more=", mode: changelog")
    with pytest.raises(ConfigError, match="format debezium"):
        compiled(tmp_path, processor)
    by_customer = CHANGES.replace("type: kafka", "type: kafka, format: debezium, key: [status]")
    with pytest.raises(ConfigError, match="in order"):
        compiled(tmp_path, processor, changes=by_customer)


def test_the_sink_has_to_be_clear(tmp_path: Path) -> None:
    processor = window("type: tumbling, size: 1m")
    two = f"{CHANGES}\n  - {CHANGES.replace('changes', 'others')}"
    with pytest.raises(ConfigError, match="several") as refused:
        compiled(tmp_path, processor, changes=two)
    assert "--sink" in refused.value.remedy
    assert compiled(tmp_path, processor, changes=two, sink="others")
    with pytest.raises(ConfigError, match="nothing"):
        compiled(tmp_path, processor, sink="nothing")
    with pytest.raises(ConfigError, match="there is none"):
        compiled(tmp_path, processor, changes="{type: stdout}")


@pytest.mark.parametrize("answers", ["topic: '{table}'", "topic: a, routes: [{to: b}]"])
def test_results_of_flink_go_to_one_topic(answers: str, tmp_path: Path) -> None:
    sink = ANSWERS.replace("topic: answers", answers)
    with pytest.raises(ConfigError, match="one topic"):
        compiled(tmp_path, window("type: tumbling, size: 1m"), answers=sink)


@pytest.mark.parametrize(
    ("processor", "words"),
    [(f"{{name: p, {FROM}}}", "window"),
     (window("type: tumbling, size: 1m", aggregates="x: sum(new.amount"), "closed"),
     (pattern(A, '{next: b, where: "last(c.amount) > 1"}'), "no step c")],
)  # fmt: skip
def test_a_definition_that_is_wrong_anywhere_is_told_so(
    processor: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"processors\[0\]") as refused:
        compiled(tmp_path, processor)
    assert words in str(refused.value)


def test_a_function_in_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'nowhere:function' cannot run on Flink: a function"):
        compiled(tmp_path, "{python: 'nowhere:function'}")


def test_without_processors_there_is_nothing_to_write(tmp_path: Path) -> None:
    from bridge.config import load_config
    from bridge.flink import compile_processors

    path = tmp_path / "pgbridge.yaml"
    path.write_text("source: {dsn: host=localhost}\nsinks: [{type: stdout}]\n")
    with pytest.raises(ConfigError, match="no processors"):
        compile_processors(load_config(path, environ={}), [])
