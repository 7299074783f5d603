"""Preflight: everything about the server that could stop the bridge, found before it does.

Each finding names what is wrong and what helps. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import psycopg

from bridge.core.errors import BridgeError
from bridge.postgres.connection import Database, identify
from bridge.postgres.preflight.facts import Expected, Facts, read_facts
from bridge.postgres.preflight.finding import Category, Finding, Status, failed, passed, warned
from bridge.postgres.preflight.publication_checks import check_publication
from bridge.postgres.preflight.server_checks import check_server
from bridge.postgres.preflight.slot_checks import check_slot
from bridge.postgres.server_errors import explain
from bridge.postgres.slot_view import read_slots

__all__ = ["Category", "Expected", "Finding", "Status", "run_checks"]


def run_checks(
    database: Database, expected: Expected, *, sql: Database | None = None
) -> list[Finding]:
    """Run every check, as far as the server lets us.

    Args:
        database: the source, for replication.
        expected: what the bridge is configured to do.
        sql: the source for ordinary SQL, where that is another one.

    Returns:
        The findings in the order in which they matter: what stands first may explain the rest.
    """
    sql = sql or database
    try:
        session = sql.connect()
    except BridgeError as error:
        return [failed("connection.reachable", error.message, error.remedy)]
    with session:
        findings = [passed("connection.reachable", f"{sql.address} answers.")]
        findings += _tls(database, sql)
        try:
            facts = read_facts(session)
            slot = next(iter(read_slots(session, expected.slot).slots), None)
        except psycopg.Error as error:
            explained = explain(error, doing="reading the server's settings")
            return [*findings, failed("server.settings", explained.message, explained.remedy)]
        findings += _replication(database, facts)
        for name, checks in (
            ("server.checks", check_server(session, facts, expected, slot)),
            ("publication.checks", check_publication(sql, session, facts, expected, slot)),
            ("slot.checks", check_slot(facts, expected, slot)),
        ):
            findings += _all_of(name, checks)
    return findings


def _tls(*databases: Database) -> Iterator[Finding]:
    notes = {database.tls_note for database in databases} - {None}
    for note in sorted(filter(None, notes)):
        yield warned(
            "connection.tls",
            note,
            "Leave sslmode out of source.dsn: then the server must prove its name.",
        )
    if not notes:
        yield passed("connection.tls", "Local, or encrypted with a verified server.")


def _replication(database: Database, facts: Facts) -> Iterator[Finding]:
    """Try it: what a role may do, and what stands between, is best found out so."""
    try:
        connection = database.connect_replication()
    except BridgeError as error:
        remedy = error.remedy
        if not facts.may_replicate:
            remedy = facts.cloud.grant_replication(facts.quoted_role)
            yield failed(
                "permissions.replication",
                f"Role {facts.role} has no right to replicate.",
                remedy,
            )
        yield failed("connection.replication", error.message, remedy)
        return
    try:
        identity = identify(connection)
    finally:
        connection.close()
    yield passed("permissions.replication", f"Role {facts.role} may replicate.")
    yield passed(
        "connection.replication",
        f"System {identity.system_identifier} speaks the replication protocol.",
    )


def _all_of(name: str, checks: Iterable[Finding]) -> list[Finding]:
    """Return the findings up to an error, and the error as one."""
    findings: list[Finding] = []
    try:
        findings.extend(checks)
    except BridgeError as error:
        findings.append(failed(name, error.message, error.remedy))
    except psycopg.Error as error:
        explained = explain(error, doing="checking")
        findings.append(failed(name, explained.message, explained.remedy))
    return findings
