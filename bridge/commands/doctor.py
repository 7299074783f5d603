"""``pgbridge doctor``: check the server before it matters, each finding with its fix."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from bridge.commands.output import print_json, printable
from bridge.commands.parsing import add_verb
from bridge.core.errors import EXIT_ENVIRONMENT, EXIT_OK

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers
    from bridge.postgres.preflight import Finding

_SIGNS = {"pass": ("✓", "32"), "warn": ("!", "33"), "fail": ("✗", "31")}
"""The mark of a finding, and its colour by its ANSI number."""


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    parser = add_verb(subparsers, "doctor", "check the server; each finding has its fix", _doctor)
    parser.add_argument("-q", "--quiet", action="store_true", help="leave out what is fine")


def _doctor(args: Namespace) -> int:
    from bridge.commands.settings import load_settings
    from bridge.dataflow import changelog_tables, make_dataflows
    from bridge.dataflow.tables import processor_findings
    from bridge.postgres.connection import Database
    from bridge.postgres.preflight import Expected, Status, run_checks
    from bridge.projecting import make_projections
    from bridge.projecting.tables import projection_findings
    from bridge.selecting import make_selection

    config = load_settings(args)
    for sink in config.sinks:
        make_selection(sink)  # its filter may name a function that is not there
    dataflows = make_dataflows(config.processors)
    projections = make_projections(config.projections)
    source = config.source
    database = Database(source.dsn)
    sql = Database(source.sql_dsn) if source.sql_dsn else database
    findings = run_checks(
        database,
        Expected(
            slot=source.slot,
            publication=source.publication,
            tables=source.tables,
            snapshot=source.snapshot != "never",
            failover=source.failover,
            changelog_tables=changelog_tables(config.processors),
        ),
        sql=sql,
    )
    findings += processor_findings(sql, source.publication, config.values, dataflows)
    findings += projection_findings(sql, source.publication, projections)
    counts = {status.value: 0 for status in Status}
    for finding in findings:
        counts[finding.status.value] += 1
    shown = [f for f in findings if not args.quiet or f.status is not Status.PASS]
    if args.json:
        print_json({"checks": [_document(finding) for finding in shown], "summary": counts})
    else:
        _print(shown)
        print(f"\n{counts['pass']} fine, {counts['warn']} to know, {counts['fail']} to fix.")
    return EXIT_ENVIRONMENT if counts["fail"] else EXIT_OK


def _document(finding: Finding) -> dict[str, str]:
    return {
        "name": finding.name,
        "category": finding.category.value,
        "status": finding.status.value,
        "message": finding.message,
        "remedy": finding.remedy,
    }


def _print(findings: list[Finding]) -> None:
    in_colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = max((len(finding.name) for finding in findings), default=0)
    for finding in findings:
        sign, colour = _SIGNS[finding.status.value]
        mark = f"\x1b[{colour}m{sign}\x1b[0m" if in_colour else sign
        print(f"{mark} {finding.name.ljust(width)}  {printable(finding.message)}")
        if finding.remedy and finding.status.value != "pass":
            print(f"  {' ' * width}  → {printable(finding.remedy)}")
