"""The command ``pgbridge``: finds the verb, runs it, and turns errors into sentences."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from bridge.commands.parsing import add_common_flags, add_verb
from bridge.core.errors import EXIT_RUNTIME, BridgeError

VERBS: dict[str, str] = {
    "demo": "show live changes of a throw-away PostgreSQL",
    "init": "show the SQL for publication, roles and slot, then run it",
    "doctor": "check the server; each finding has its fix",
    "run": "stream changes to the sinks until told to stop",
    "status": "show where the slot, the sinks and dead letters stand",
    "sinks": "list, pause or resume sinks",
    "slots": "list, create, drop, advance or clean up slots",
    "config": "check, describe or show the configuration",
    "schema": "show how tables have changed",
    "dlq": "list, show, replay or purge dead letters",
    "events": "append, show, archive or verify the events of a store",
    "flink-sql": "write the processors as Flink SQL",
}
"""Verb to its help line; the module is ``bridge.commands.<verb>``, with ``_`` for ``-``."""

EXIT_INTERRUPTED = 130
"""What shells report for a process that SIGINT ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code; see ``bridge.core.errors``."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        args = _parser(argv).parse_args(argv)
    except SystemExit as ended:  # --help, --version, or flags that argparse has complained about
        return ended.code if isinstance(ended.code, int) else EXIT_RUNTIME
    try:
        _prepare_logging(args)
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except BridgeError as error:
        return _report(args, error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_RUNTIME
    except Exception as error:  # our own fault: say where, without the values in its message
        return _report(args, _fault(error))


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pgbridge",
        description="Streams the changes of a PostgreSQL database to durable sinks.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    add_common_flags(parser, nested=False)
    subparsers = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb, help_text in VERBS.items():
        if verb in argv:  # only the verb in question is imported
            import_module(f"bridge.commands.{verb.replace('-', '_')}").add_parser(subparsers)
        else:
            add_verb(subparsers, verb, help_text)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"pgbridge {version('pgbridge')}")
        parser.exit()


def _prepare_logging(args: argparse.Namespace) -> None:
    """Log by the flags until the configuration is read."""
    from bridge import log

    log.configure(args.log_level or "info", args.log_format or "console")


def _report(args: argparse.Namespace, error: BridgeError) -> int:
    from bridge.log import mask

    if args.json:
        document: dict[str, object] = {
            "error": type(error).__name__,
            "message": mask(error.message),
            "remedy": mask(error.remedy),
            "exit_code": error.exit_code,
        }
        problems = getattr(error, "problems", ())
        if problems:
            document["problems"] = [
                {"path": each.path, "message": each.message, "origin": each.origin}
                for each in problems
            ]
        print(json.dumps(document, ensure_ascii=False), file=sys.stderr)
    else:
        print(mask(f"pgbridge: {error.message.rstrip()}"), file=sys.stderr)
        if error.remedy:
            print(mask(error.remedy), file=sys.stderr)
    if args.log_level == "debug":
        print(mask("".join(traceback.format_exception(error))), file=sys.stderr)
    return error.exit_code


def _fault(error: Exception) -> BridgeError:
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "?"
    fault = BridgeError(
        f"A fault in pgbridge: {type(error).__name__} at {where}.",
        remedy="Please report it with the output of the same command under --log-level debug.",
    )
    fault.__cause__ = error
    return fault


if __name__ == "__main__":
    sys.exit(main())
