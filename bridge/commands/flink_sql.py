"""``pgbridge flink-sql``: the processors as Flink SQL over the topics of the Kafka sink."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.commands.output import note, print_json
from bridge.commands.parsing import add_verb
from bridge.core.errors import EXIT_OK, EnvironmentProblem

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    parser = add_verb(subparsers, "flink-sql", "write the processors as Flink SQL", _flink_sql)
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write there, not to standard output"
    )
    parser.add_argument(
        "--schema",
        metavar="FILE",
        type=Path,
        help="types of the tables as YAML, in place of those of the database",
    )
    parser.add_argument(
        "--sink", metavar="NAME", help="the Kafka sink whose topics are read, if there are several"
    )


def _flink_sql(args: Namespace) -> int:
    from bridge.commands.settings import load_settings
    from bridge.flink import compile_processors
    from bridge.flink.schema import relations_of_database, relations_of_file

    config = load_settings(args)
    if args.schema is None:
        relations = relations_of_database(config)
    else:
        relations = relations_of_file(args.schema, config.values)
    text = compile_processors(config, relations, sink=args.sink)
    names = [processor.name for processor in config.processors]
    if args.output is not None:
        try:
            args.output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise EnvironmentProblem(
                f"The file {args.output} cannot be written: {error.strerror}.",
                remedy="Check the path and its permissions.",
            ) from None
    if args.json:
        where = None if args.output is None else str(args.output)
        print_json({"processors": names, "file": where, "sql": None if where else text})
    elif args.output is None:
        print(text, end="")
    else:
        note(f"{args.output}: {', '.join(names)}.")
    return EXIT_OK
