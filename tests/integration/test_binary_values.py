"""Binary values, with real servers as the judge: the text is exactly what the server prints."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg
import pytest
from psycopg import sql

from bridge.core.types import BUILTIN_TYPES
from decoders.binary import binary_to_text
from tests.fixtures.catalog_types import read_types
from tests.fixtures.databases import Database
from tests.fixtures.type_samples import TYPE_SAMPLES, TypeSample

pytestmark = pytest.mark.postgres(ordinary="ends")

SESSION = (
    "-c datestyle=ISO,MDY -c intervalstyle=postgres -c timezone=UTC -c bytea_output=hex"
    " -c extra_float_digits=3 -c lc_monetary=C"
)
EXTENSIONS = sorted({sample.extension for sample in TYPE_SAMPLES if sample.extension})


@pytest.fixture
def connection(database: Database) -> psycopg.Connection[Any]:
    return database.connect(options=SESSION)


def disagreements(
    connection: psycopg.Connection[Any], queries: Iterable[sql.Composable | str]
) -> list[tuple[str, str, str]]:
    """Run queries of one column in both formats; return (query, ours, the server's)."""
    types = read_types(connection)
    found = []
    for query in queries:
        text_cursor = connection.cursor()
        text_cursor.execute(query)  # type: ignore[arg-type]
        binary_cursor = connection.cursor(binary=True)
        binary_cursor.execute(query)  # type: ignore[arg-type]
        texts, binaries = text_cursor.pgresult, binary_cursor.pgresult
        assert texts is not None
        assert binaries is not None
        convert = binary_to_text(binaries.ftype(0), types)
        assert texts.ntuples == binaries.ntuples > 0
        for row in range(texts.ntuples):
            binary, text = binaries.get_value(row, 0), texts.get_value(row, 0)
            assert binary is not None
            assert text is not None
            ours = convert(binary)
            if ours != text.decode():
                found.append((binary.hex()[:200], ours[:200], text.decode()[:200]))
    return found


def value(literal: str, type_name: str) -> sql.Composed:
    """The SQL expression of a literal, read by the type's own input function."""
    return sql.SQL("CAST({} AS {})").format(sql.Literal(literal), sql.SQL(type_name))


def select(expression: sql.Composable) -> sql.Composed:
    return sql.SQL("SELECT {}").format(expression)


def nested(sample: TypeSample, number: int) -> Iterable[sql.Composable]:
    """Queries in which the sample's values are in arrays, domains and composite types.

    The types ``public.row_<number>`` and ``public.domain_<number>`` must exist.
    """
    values = sql.SQL(", ").join([value(literal, sample.type) for literal in sample.literals])
    first = value(sample.literals[0], sample.type)
    last = value(sample.literals[-1], sample.type)
    of_type = sql.SQL(sample.type)
    array = sql.SQL("CAST(ARRAY[{}, NULL] AS {}[])").format(values, of_type)
    row = sql.SQL("CAST(ROW({}, {}, NULL) AS public.row_{})").format(
        last, array, sql.SQL(str(number))
    )
    parts = {
        "array": array,
        "row": row,
        "first": first,
        "last": last,
        "type": of_type,
        "row_type": sql.SQL(f"public.row_{number}"),
        "domain": sql.SQL(f"public.domain_{number}"),
    }
    for template in (
        "SELECT {array}",
        "SELECT CAST('{{}}' AS {type}[])",
        "SELECT ARRAY[[{first}, NULL], [{last}, {first}]]",
        "SELECT CAST('[-1:' || cardinality(a) - 2 || ']=' || CAST(a AS text) AS {type}[])"
        " FROM (SELECT {array} AS a) s",
        "SELECT {row}",
        "SELECT ARRAY[{row}, NULL]",
        "SELECT CAST({last} AS {domain})",
        "SELECT CAST(ARRAY[{last}] AS {domain}[])",
    ):
        yield sql.SQL(template).format(**parts)


def create_nesting_types(
    connection: psycopg.Connection[Any], samples: Sequence[TypeSample]
) -> None:
    for number, sample in enumerate(samples):
        connection.execute(f"CREATE TYPE public.row_{number} AS (a {sample.type},"
                           f' "b b" {sample.type}[], c {sample.type})')  # fmt: skip
        connection.execute(f"CREATE DOMAIN public.domain_{number} AS {sample.type}")


def check_samples(connection: psycopg.Connection[Any], samples: Sequence[TypeSample]) -> None:
    create_nesting_types(connection, samples)
    found = {}
    for number, sample in enumerate(samples):
        queries = [select(value(literal, sample.type)) for literal in sample.literals]
        wrong = disagreements(connection, itertools.chain(queries, nested(sample, number)))
        if wrong:
            found[sample.type] = wrong
    assert found == {}


def test_every_built_in_type_reads_as_the_server_prints_it(
    connection: psycopg.Connection[Any], postgres_major: int
) -> None:
    samples = [s for s in TYPE_SAMPLES if not s.extension and s.since <= postgres_major]
    if not supports_xml(connection):
        samples = [s for s in samples if s.type != "xml"]
    check_samples(connection, samples)


def supports_xml(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("SELECT '<a/>'::xml")
    except psycopg.errors.FeatureNotSupported:
        return False
    return True


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_the_types_of_an_extension_read_as_the_server_prints_them(
    connection: psycopg.Connection[Any], postgres_major: int, extension: str
) -> None:
    available = connection.execute(
        "SELECT 1 FROM pg_available_extensions WHERE name = %s", [extension]
    ).fetchone()
    if available is None:
        pytest.skip(f"this server has no extension {extension}")
    connection.execute(
        sql.SQL("CREATE EXTENSION {} SCHEMA public").format(sql.Identifier(extension))
    )
    known = {row[0] for row in connection.execute("SELECT typname FROM pg_type").fetchall()}
    samples = [
        s
        for s in TYPE_SAMPLES
        if s.extension == extension
        and s.since <= postgres_major
        and s.type.removeprefix("public.") in known
    ]
    if not samples:
        pytest.skip(f"the types of {extension} have no binary format in this version")
    check_samples(connection, samples)


def test_types_that_users_make_read_as_the_server_prints_them(
    connection: psycopg.Connection[Any], postgres_major: int
) -> None:
    connection.execute("""
        CREATE TYPE mood AS ENUM ('sad', 'so so', '', 'NULL', 'a,"b"', 'é\\');
        CREATE TYPE empty_row AS ();
        CREATE TYPE pair AS (m mood, n numeric);
        CREATE TYPE nest AS (p pair, ps pair[], b bytea);
        CREATE DOMAIN positive AS int4 CHECK (VALUE > 0);
        CREATE DOMAIN small_positive AS positive CHECK (VALUE < 10);
        CREATE DOMAIN moods AS mood[];
        CREATE TYPE textrange AS RANGE (subtype = text, collation = "C");
        CREATE TYPE moodrange AS RANGE (subtype = mood);
    """)
    queries = [
        "SELECT unnest(enum_range(NULL::mood))",
        "SELECT enum_range(NULL::mood)",
        "SELECT enum_range(NULL::mood)::moods",
        "SELECT ROW()::empty_row",
        "SELECT ARRAY[ROW()::empty_row]",
        "SELECT ROW(m, 1.50)::pair FROM unnest(enum_range(NULL::mood)) m",
        "SELECT ROW(ROW('so so', NULL), ARRAY[ROW('', 1), NULL, ROW('a,\"b\"', 'NaN')]::pair[],"
        " '\\x5c')::nest",
        "SELECT ARRAY[ROW(ROW('so so', NULL), NULL, NULL)::nest]",
        "SELECT 7::small_positive",
        "SELECT ARRAY[7, NULL]::small_positive[]",
        "SELECT textrange(a, b) FROM (VALUES ('', 'a b'), ('\"', '\\'), ('(', ')'), ('[', ']'),"
        " (',', 'NULL'), (NULL, 'é'), ('x', 'x')) v(a, b)",
        "SELECT moodrange('sad', 'a,\"b\"', '[]')",
        "SELECT ARRAY[textrange('a b', 'c')]",
    ]
    if postgres_major >= 14:
        queries += [
            "SELECT textmultirange(textrange('a', 'b c'), textrange('d', NULL))",
            "SELECT ARRAY[textmultirange(textrange('\"', '\\')), NULL, '{}']",
        ]
    assert disagreements(connection, queries) == []


def test_an_attribute_added_to_a_composite_type_is_read(
    connection: psycopg.Connection[Any],
) -> None:
    connection.execute("CREATE TYPE pair AS (a int, gone text, b text)")
    oid = connection.execute("SELECT 'pair'::regtype::oid::bigint").fetchone()
    assert oid is not None
    convert = binary_to_text(oid[0], read_types(connection))
    connection.execute("ALTER TYPE pair ADD ATTRIBUTE c numeric, DROP ATTRIBUTE gone")
    cursor = connection.cursor(binary=True)
    cursor.execute("SELECT ROW(1, 'x y', 2.50)::pair")
    assert cursor.pgresult is not None
    assert convert(cursor.pgresult.get_value(0, 0) or b"") == '(1,"x y",2.50)'


def test_random_values_read_as_the_server_prints_them(
    connection: psycopg.Connection[Any],
) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    source = random.Random(seed)
    generators: dict[str, Callable[[], str]] = {
        "float8": lambda: repr(struct.unpack(">d", source.randbytes(8))[0]),
        "float4": lambda: repr(struct.unpack(">f", source.randbytes(4))[0]),
        "numeric": lambda: random_numeric(source),
        "interval": lambda: (
            f"{random_int32(source)} months {random_int32(source)} days "
            f"{source.randint(-(10**6), 10**6)} hours {random_int32(source)} microseconds"
        ),
        "tsquery": lambda: random_query(source, depth=5),
        "inet": lambda: random_address(source),
    }
    for type_name, generate in generators.items():
        literals = [generate() for _ in range(3000)]
        found = disagreements(connection, [unnest(literals, type_name)])
        assert found == [], (seed, type_name)


def test_numbers_around_powers_of_two_and_ten_read_as_the_server_prints_them(
    connection: psycopg.Connection[Any],
) -> None:
    singles, doubles = [], []
    for exponent in range(-149, 128):
        bits = struct.unpack(">I", struct.pack(">f", 2.0**exponent))[0]
        singles += [repr(struct.unpack(">f", struct.pack(">I", bits + d))[0]) for d in (-1, 0, 1)]
    for exponent in range(-1074, 1024):
        bits = struct.unpack(">Q", struct.pack(">d", 2.0**exponent))[0]
        doubles += [repr(struct.unpack(">d", struct.pack(">Q", bits + d))[0]) for d in (-1, 0, 1)]
    for exponent in range(-45, 39):
        singles += [f"{digits}e{exponent}" for digits in (1, 2, 3, 4, 5, 7, 9)]
    for exponent in range(-323, 308):
        doubles += [f"{digits}e{exponent}" for digits in (1, 2, 3, 5, 9, 9.5)]
    singles = [s for s in singles if 1.5e-45 < float(s) < 3.4e38 or float(s) == 0]
    assert disagreements(connection, [unnest(singles, "float4")]) == []
    assert disagreements(connection, [unnest(doubles, "float8")]) == []


def unnest(literals: Sequence[str], type_name: str) -> sql.Composed:
    return sql.SQL("SELECT CAST(l AS {}) FROM unnest(CAST({} AS text[])) l").format(
        sql.SQL(type_name), sql.Literal(list(literals))
    )


def random_int32(source: random.Random) -> int:
    return source.randint(-(2**31), 2**31 - 1) >> source.randint(0, 31)


def random_numeric(source: random.Random) -> str:
    def digits() -> str:
        return "".join(source.choices("0001234567899", k=source.randint(0, 40)))

    return f"{source.choice(('', '-'))}0{digits()}.{digits()}e{source.randint(-40, 40)}"


def random_query(source: random.Random, depth: int) -> str:
    kind = source.randrange(5) if depth else 0
    if kind == 0:
        return source.choice(("a", "b:*", "'c d':A", "e:BC*"))
    operand = random_query(source, depth - 1)
    if kind == 1:
        return f"!({operand})"
    operator = source.choice(("&", "|", "<->", f"<{source.randint(0, 3)}>"))
    return f"({operand} {operator} {random_query(source, depth - 1)})"


def random_address(source: random.Random) -> str:
    words = [source.choice((0, 0, 0, source.getrandbits(16), 0xFFFF)) for _ in range(8)]
    return f"{':'.join(f'{word:x}' for word in words)}/{source.randint(0, 128)}"


def test_the_built_in_types_are_those_of_the_server(
    connection: psycopg.Connection[Any],
) -> None:
    types = read_types(connection)
    for oid, info in BUILTIN_TYPES.items():
        assert types.get(oid, info) == info
    # Statistics and the like are the server's own business: no table of a user has them.
    internal = connection.execute("""
        SELECT oid::bigint FROM pg_type
         WHERE (typcategory = 'Z' AND typname <> 'char')
            OR typname ~ '^pg_(ndistinct|dependencies|mcv_list|brin_.*)$'
    """)
    columns = {
        oid: info
        for oid, info in types.items()
        if info.schema == "pg_catalog" and info.kind in ("base", "range", "multirange")
    }
    for (oid,) in internal:
        columns.pop(oid, None)
    arrays = {
        oid for oid, info in types.items() if info.kind == "array" and info.element_oid in columns
    }
    assert (columns.keys() | arrays) - BUILTIN_TYPES.keys() == set()
