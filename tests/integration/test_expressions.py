"""PostgreSQL as the judge of expressions: the same text gives the same value there and here."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from psycopg import sql

from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent
from bridge.expressions import EvaluationError, compile_value
from tests.fixtures import sql_expressions as expressions
from tests.fixtures.databases import Database
from tests.fixtures.recorded_changes import RecordedChanges

FAILS = "<fails>"
"""In place of a value: the server raised an error, or we did for this event."""


class Judge(NamedTuple):
    """The rows on the server, and the events that they came as."""

    connection: psycopg.Connection[Any]
    events: list[CdcEvent]

    def theirs(self, text: str) -> list[str | None]:
        """Return the server's value for each row, as text."""
        query = f"SELECT ({text})::text FROM t AS new".encode()
        try:
            return [row[0] for row in self.connection.execute(query + b" ORDER BY id")]
        except psycopg.Error:
            return [self._for_row(query, number) for number in range(len(self.events))]

    def _for_row(self, query: bytes, number: int) -> str | None:
        try:
            row = self.connection.execute(query + b" WHERE id = %d" % number).fetchone()
        except psycopg.Error:
            return FAILS
        assert row is not None
        value: str | None = row[0]
        return value

    def ours(self, text: str) -> list[str | None]:
        """Return our value for each row, as text."""
        expression = compile_value(f"({text})::text")
        return [_value(expression, event) for event in self.events]


def _value(expression: Any, event: CdcEvent) -> str | None:
    try:
        value: str | None = expression(event)
    except EvaluationError:
        return FAILS
    return value


@pytest.fixture
def judge(newest_database: Database) -> Judge:
    """The rows of ``sql_expressions`` in a table, and the events that a stream made of them."""
    connection = newest_database.connect(
        options="-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=3"
    )
    changes = RecordedChanges(newest_database)
    connection.execute("CREATE TYPE mood AS ENUM ('sad', 'happy')")
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type_name))  # type: ignore[arg-type]
        for name, type_name in expressions.COLUMNS.items()
    ]
    connection.execute(
        sql.SQL("CREATE TABLE t (id int PRIMARY KEY, {})").format(sql.SQL(", ").join(columns))
    )
    changes.publish("t")
    holders = sql.SQL(", ").join([sql.Placeholder()] * (len(columns) + 1))
    for number, row in enumerate(expressions.ROWS):
        connection.execute(sql.SQL("INSERT INTO t VALUES ({})").format(holders), [number, *row])
    changes.stop()
    return Judge(connection, changes.events("text"))


def difference(judge: Judge, text: str) -> str:
    """Return how we differ from the server; nothing if we do not.

    Where the server fails for every row whose value is not NULL, a refusal is no difference.
    """
    theirs = judge.theirs(text)
    try:
        ours = judge.ours(text)
    except ConfigError as error:
        if set(theirs) <= {FAILS, None}:
            return ""
        return f"{text}\nwe refuse: {error}\nthe server: {theirs}"
    if ours == theirs:
        return ""
    return f"{text}\nwe: {ours}\nthe server: {theirs}"


WRITTEN: Sequence[str] = [
    line
    for line in """
new.i4 > 1 and new.s = 'paid'
not new.b
not new.i4 = 2 and new.b
new.b and null
new.b or null
null and false
null or true
new.b = new.b is null
new.i4 + new.i4
new.i2 + new.i2
new.i8 * 2
new.i4 / 3
new.i4 / -3
new.i4 % 3
-new.i2
- new.i4
abs(new.i8)
new.i4 / new.i2
-7 / 2
-7 % 3
2147483648
-2147483648
1 - -1
1e3
.5 + 5.
new.n / 3
new.n / 7.0
new.n * new.m
new.m / new.n
new.n % 7
1 / 3.0
10000000000000000000 / 3.0
0.00000001 / 3
new.n + new.i4
new.n = 'NaN'
new.n > 1e100
new.n < 'Infinity'
round(new.m)
round(new.m, 1)
round(new.n, -1)
round(2.5)
round(-2.5)
round(2.5::float8)
round(new.i4)
floor(new.m)
ceiling(new.m)
ceil(new.f8)
floor(new.f4)
sign(new.m)
mod(new.i4, 5)
new.f4 = 0.1
new.f4 = '0.1'
new.f4 + new.f4
new.f4 * 2
new.f8 + 1
new.f8 * 10
new.f8 / new.f8
new.f4 > new.f8
new.f8 = new.n
new.f4::text
new.f8::text
1e15::float8
123456789::real
(0.1::real)::float8
new.f8 = 'NaN'
new.f8 >= 'Infinity'
new.f8::int
new.n::int
2.5::float8::int
3.5::float8::int
2.5::int
new.n::float8
new.f8::numeric
new.f4::numeric
new.i8::int
new.i4::smallint
new.s::int
new.v::int
'12'::int + 1
' 12 '::int
'1.5'::int
'1e3'::numeric
'abc'::numeric
new.m::numeric(5,1)
new.n::numeric(3)
new.i4::bool
new.b::int
'yes'::bool
'o'::bool
'of'::bool
't'::bool and 'ON'::bool
new.b::text
new.i4::text || 'x'
new.i4 || 'x'
'x' || new.n
'x' || new.b
new.c || '|'
new.c || new.c
length(new.c)
length(new.s)
new.c = 'ab'
new.c = 'ab '
new.c = new.v
new.c like 'ab'
new.c like 'ab%'
new.c < 'b'
new.c::text = 'ab'
new.s < 'a'
new.s > 'Z'
new.s between 'a' and 'q'
new.s = ''
new.s in ('paid', 'PAID')
new.s in ('paid', null)
new.s not in ('paid', null)
new.i4 in (2, 3.0, null)
new.i4 not in (2, 3)
new.n in (1.5, 'NaN')
new.i4 = any(new.ia)
new.i4 <> all(new.ia)
new.i4 > any(new.ia)
new.i4 = any('{2,100}')
new.i4 = any(' { 2, null , 100 } ')
new.s = any('{ "paid" , a b, "null", nUll}')
2 between 3 and new.i4 is distinct from true or 1 / new.i4 > 5
new.i4 = any(array[2, 100, null])
new.s = any(new.ta)
new.s = any('{paid,"a"}')
new.s = some(array['paid'])
new.s <> all(new.ta)
new.i2 between 0 and 10
new.i2 not between 0 and 10
new.i2 between symmetric 10 and 0
new.s like 'p%'
new.s like 'p__d'
new.s not like 'p%'
new.s ilike 'P%'
new.s like '%\\%%'
new.s like '%!%!_%' escape '!'
new.s like '%'
new.s like ''
new.s ~ '^p.*d$'
new.s ~* '^PA'
new.s !~ 'a'
new.s !~* 'A'
new.s ~ '^$'
new.s ~ '\n'
new.s ~ '.'
new.s ~ '[^[]'
new.s ~ '(?:ai|x)d$'
new.s ~ '\\d{4}-\\d{2}'
lower('ABC' || new.i4)
upper(new.s || 'x') = upper('PAIDx')
substring(new.s from 2)
substring(new.s from 2 for 2)
substring(new.s from -1 for 3)
substring(new.s for 2)
substring(new.s, 2, 1)
substr(new.s, 2)
substring(new.s from 2 for -1)
trim(new.s)
trim(both 'p' from new.s)
trim(leading from new.s)
trim(trailing 'd' from new.s)
btrim(new.s, 'pd')
ltrim(new.s, ' p')
rtrim(new.s)
replace(new.s, 'a', 'bb')
replace(new.s, '', 'x')
left(new.s, 2)
left(new.s, -2)
right(new.s, 2)
right(new.s, -2)
right(new.s, 0)
strpos(new.s, 'i')
position('d' in new.s)
split_part(new.s, 'a', 1)
split_part(new.s, 'a', -1)
split_part(new.s, '', 1)
split_part(new.s, 'a', 0)
concat(new.s, 1, null, new.b, 2.50, new.c, new.d)
concat(null)
coalesce(new.s, 'none')
coalesce(null, new.i4, 1.5)
coalesce(null, null)
nullif(new.s, 'paid')
nullif(new.i4, 2.0)
greatest(new.i4, new.n, 3)
least(new.f8, 1)
greatest(new.s, 'b', null)
greatest(null, null)
case when new.i4 > 1 then 'big' when new.i4 = 0 then 'zero' else 'small' end
case new.i4 when 2 then 'two' when 0 then null end
case when new.b then 1 else 2.5 end
case when new.i4 <> 0 then 10 / new.i4 > 1 end
case when null then 1 end
new.s is null
new.s is not null
new.b is true
new.b is not true
new.b is false
new.b is unknown
new.b is not unknown
new.i4 is distinct from 2
new.i4 is not distinct from null
null is not distinct from null
new.n is distinct from 'NaN'
new.mood = 'sad'
new.mood in ('sad', 'happy')
new.mood::text > 'sad'
new.u = 'A0EEBC999C0B4EF8BB6D6BB9BD380A11'
new.u > '11111111-1111-4111-8111-111111111111'
new.u::text like 'a0%'
new.lsn > '0/1'
new.lsn = '16/B374D848'
new.lsn::text
"We ird" + 1
new."We ird"
new."We ird" = 7 or "i4" = 2
NEW.I4 = 2
i4 = 2
new.d > '2000-01-01'
new.d = '0044-03-15 BC'
new.d < 'infinity'
new.d + 1
new.d - 1
new.d - date '2024-02-28'
1 + new.i4
new.d::timestamp
new.d::timestamptz
new.d::text
new.d = new.ts
new.d < new.tz
new.ts = new.tz
new.ts::date
new.tz::date
new.tz::timestamp
new.ts::timestamptz
new.ts::text
new.tz::text
new.tz >= '2000-01-01'
new.tz > '2024-02-29T12:34:56Z'
new.tz = '2024-02-29 18:04:56.789+05:30'
new.ts = '2024-02-29 12:34:56.789+05:30'
new.tz < '2024-02-29 12:34'
new.tz > 'infinity'
new.tz >= '-infinity'
new.tz > 'epoch'
'2024-02-30'::date
'24:00'::time
'2024-01-01 24:00:00'::timestamp
'2024-01-01 25:00:00'::timestamp
new.tm > '12:00'
new.tm = '24:00:00'
new.tm::text
new.iv > '1 day'
new.iv = interval '24 hours'
new.iv = '30 days'
new.iv::text
-new.iv
new.iv + interval '1 mon'
new.iv - '1 day'
interval '1 year' + interval '2 months 3 days'
interval '1 week'
interval '1.5 hours'
interval '3 days ago'
interval '1 day -02:00'
new.tz + interval '1 month'
new.tz - interval '1 month'
new.tz + '1 day'
new.ts - interval '36:00:00'
new.d + interval '1 day'
timestamp '2024-01-31 10:00' + interval '1 month'
timestamp '2024-03-31 10:00' - interval '1 month'
timestamp '2024-01-01' - timestamp '2024-02-29 12:00'
date_trunc('month', new.tz)
date_trunc('week', new.ts)
date_trunc('quarter', new.ts)
date_trunc('hour', new.tz)
date_trunc('milliseconds', new.ts)
date_trunc('decade', new.ts)
date_trunc('century', new.ts)
date_trunc('millennium', new.ts)
date_trunc('day', new.d)
extract(year from new.ts)
extract(epoch from new.tz)
extract(epoch from new.d)
extract(epoch from new.iv)
extract(second from new.tz)
extract(milliseconds from new.ts)
extract(microseconds from new.tm)
extract(hour from new.tm)
extract(week from new.d)
extract(isoyear from new.d)
extract(isodow from new.ts)
extract(dow from new.d)
extract(doy from new.d)
extract(quarter from new.d)
extract(century from new.d)
extract(millennium from new.ts)
extract(decade from new.ts)
extract(day from new.iv)
extract(month from new.iv)
extract(year from new.iv)
extract(second from new.iv)
extract(hour from new.iv)
extract(hour from new.d)
new.jb -> 'a'
new.jb -> 'a' -> 'b' -> 1
new.jb -> 'a' -> 'b' ->> 2
new.jb ->> 'c'
new.jb -> 'c'
new.jb ->> 'a'
new.jb -> 0
new.jb -> -1 -> 0
new.jb ->> 0
new.j -> 'a'
new.j ->> 'a'
new.j ->> 'é'
new.j -> 1 ->> 0
new.jb #>> '{a,b,0}'
new.jb #> '{a,b}'
new.j #>> '{a,b,-1}'
new.j #>> '{}'
new.jb #>> '{a,x}'
(new.jb -> 'a' ->> 'b') is null
new.jb ->> 'a' = 'two'
new.jb -> 'b' = 'true'
new.jb = '{"b":true}'
new.jb = '12'
new.jb <> '12.00'
new.j = '{}'
(new.jb -> 'a' -> 'b' ->> 0)::int + 1
new.i4 = 2 and new.i4 / (new.i4 - 2) > 0
new.i4 + new.s
new.i4 = new.s
new.s = 1
new.s like 1
new.b > 1
new.nothing
lower(1)
nothing(1)
'1' + '2'
new.i4 and true
case when 1 then 2 end
coalesce(1, 'x')
coalesce(1, 1 / 0)
coalesce(new.i4, 1, 1 / 0)
coalesce(new.i4, 1 / 0)
coalesce(null, 1 / 0)
case when ''::text is null then 0.0 / 0.0 else new.n end
case when 1 = 1 then new.n when 1 / 0 = 1 then 1 else 1 / 0 end
case when new.b then 1 / 0 else 2 end
case when null then 1 / 0 + new.i4 else 2 end
case when false then case when new.b then 1 / 0 end else 2 end
case when false then 'x'::int else 2 end
case 1 when 2 then 1 / 0 else new.i4 end
false and 1 / 0 = new.i4
1 / 0 = 1 and false
new.b or true or 1 / 0 = 1
new.b and 1 / 0 = 1
(case when false then 1 / 0 end) + new.i4
new.i4 = '1.5'
'a' || 'b'
'O''Brien'
$$it's$$
""".splitlines()
    if line
]

DIFFERENT = {
    "'0x10'::int": "integers in other bases, which servers read from version 16",
    "new.s like '%\\'": "a wrong pattern is refused at once, not for the rows that reach its end",
    "lower(new.v)": "letters beyond ASCII: as Unicode says, not as the collation does",
    "new.tz - timestamptz '2024-01-01 00:00:00+00'": "infinite intervals, of servers from 17",
    "interval '1' day": "a unit after the text of an interval",
}
"""What ``docs/expressions.md`` lists as different, and why."""


@pytest.mark.parametrize("part", range(4))
def test_written_expressions(judge: Judge, part: int) -> None:
    wrong = list(filter(None, (difference(judge, text) for text in WRITTEN[part::4])))

    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("text", DIFFERENT)
def test_what_is_said_to_differ_differs(judge: Judge, text: str) -> None:
    assert difference(judge, text)


@pytest.mark.parametrize("kind", ["booleans", "integers", "numerics", "floats", "texts", "moments"])
def test_random_expressions(judge: Judge, kind: str) -> None:
    strategy: st.SearchStrategy[str] = getattr(expressions, kind)()
    start = random.SystemRandom().getrandbits(32)
    print(f"seed {start}")

    @seed(start)
    @settings(
        max_examples=200,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(strategy)
    def same(text: str) -> None:
        found = difference(judge, text)
        assert not found, found

    same()


def test_operators_in_a_row_bind_as_they_do_there_or_are_refused(judge: Judge) -> None:
    start = random.SystemRandom().getrandbits(32)
    print(f"seed {start}")
    counts = {"same": 0, "refused": 0, "wrong there": 0}

    @seed(start)
    @settings(
        max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(expressions.flat_chains())
    def same(text: str) -> None:
        found = difference(judge, text)
        refused = re.search("parentheses are needed|has to be a literal", found) is not None
        assert refused or not found, found
        wrong = not refused and set(judge.theirs(text)) == {FAILS}
        counts["refused" if refused else "wrong there" if wrong else "same"] += 1

    same()
    print(counts)
    assert counts["same"] > 15
