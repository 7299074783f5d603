"""What a failure of the server means for the operator: from SQLSTATE to the error tree.

A server's reply carries an SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html).
A connection that was refused does not: libpq hands over only the text. So there are two tables; in
each the first line that fits wins, and where there is a code, a text only refines what it says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

import psycopg

from bridge.core.errors import BridgeError, EnvironmentProblem, SlotBusy, Transient

POOLER_REMEDY = (
    "Replication needs a connection of its own to the server: put the server's direct host and "
    "port into `source.dsn`, not those of a connection pooler."
)
SLOT_LOST_REMEDY = (
    "The changes after its position cannot be read any more. Drop it with "
    "`pgbridge slots drop NAME`, start again with `--accept-gap` (or with an empty state.dir, for "
    "a new snapshot), and raise max_slot_wal_keep_size or idle_replication_slot_timeout if it "
    "happens again."
)
_REPLICATION_REMEDY = (
    "As a superuser run: ALTER ROLE <role> REPLICATION; "
    "(on Amazon RDS and Aurora: GRANT rds_replication TO <role>;)."
)
_MAX_SERVER_TEXT = 300


class _Class(Enum):
    RETRY = auto()
    BUSY = auto()
    STOP = auto()
    RETRY_ONCE_REACHED = auto()
    """Wrong settings before the first success, an outage or a failover after it."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """One line of the table.

    Attributes:
        codes: SQLSTATEs or their first characters; empty for any code, and for none.
        text: what the whole message must contain, a regular expression; empty for anything.
        kind: what the caller should do.
        says: the sentence for the operator; empty to let the server speak.
        remedy: what helps.
    """

    codes: tuple[str, ...]
    text: str
    kind: _Class
    says: str = ""
    remedy: str = ""

    def fits(self, sqlstate: str | None, message: str) -> bool:
        if self.codes and not (sqlstate or "").startswith(self.codes):
            return False
        return not self.text or re.search(self.text, message, re.IGNORECASE) is not None


# Without an SQLSTATE: a connection that was refused or lost.
_CONNECTING: tuple[_Rule, ...] = (
    _Rule((), r"unsupported startup parameter|bouncer|Tenant or user not found", _Class.STOP,
          "this looks like a connection pooler, which does not pass replication on",
          POOLER_REMEDY),
    _Rule((), r"database system is (starting up|shutting down|in recovery|not yet accepting)"
              r"|not accepting connections", _Class.RETRY,
          "the server is starting up, shutting down or recovering"),
    _Rule((), r"password authentication failed|no password supplied", _Class.RETRY_ONCE_REACHED,
          "the server refuses the password", "Check the user and password in `source.dsn`."),
    _Rule((), r"no pg_hba\.conf entry|pg_hba\.conf rejects", _Class.RETRY_ONCE_REACHED,
          "the server's pg_hba.conf does not let this user and host in",
          "Add a line such as `hostssl <database> <user> <address> scram-sha-256` to pg_hba.conf "
          "and reload. Logical replication matches the name of the database there, not the "
          "keyword `replication`."),
    _Rule((), r'role "[^"]*" does not exist', _Class.RETRY_ONCE_REACHED,
          "", "Check the user in `source.dsn`."),
    _Rule((), r'database "[^"]*" does not exist', _Class.RETRY_ONCE_REACHED,
          "", "Check the database in `source.dsn`."),
    _Rule((), r"server does not support SSL", _Class.RETRY_ONCE_REACHED,
          "the server does not offer TLS, which this connection asks for (as pgbridge does by "
          "itself of every host but this machine)",
          "Switch TLS on at the server, or, where the network is trusted, say "
          "`sslmode=disable` in `source.dsn`."),
    _Rule((), r"certificate", _Class.RETRY_ONCE_REACHED,
          "the server's TLS certificate cannot be verified",
          "Give the certificate authority with `sslrootcert=<file>` in `source.dsn`, and the host "
          "name that the certificate is made for."),
    _Rule((), r"too many clients|remaining connection slots|max_wal_senders", _Class.RETRY,
          "the server has no connection left",
          "Raise max_connections or max_wal_senders, or end connections that are not needed."),
    _Rule((), r"start WAL ?sender|replication role", _Class.STOP,
          "this role may not use replication", _REPLICATION_REMEDY),
    _Rule((), r"closed the connection|connection is (closed|lost)|SSL connection has been closed"
              r"|SSL SYSCALL", _Class.RETRY_ONCE_REACHED, "the connection was lost"),
    _Rule((), r"refused|resolve host|translate host name|No such file or directory"
              r"|timeout|unreachable|No route to host|reset by peer", _Class.RETRY_ONCE_REACHED,
          "the server cannot be reached",
          "Check the host and port in `source.dsn`, and that the server is up."),
)  # fmt: skip

# With one: the server's reply to a command.
_ANSWERED: tuple[_Rule, ...] = (
    _Rule(("55006",), "", _Class.BUSY, "another process is using the slot",
          "Stop that process, or let this one wait as a standby."),
    _Rule(("57P01", "57P02", "57P03", "57P05"), "", _Class.RETRY,
          "the server ended the connection"),
    _Rule(("57P04", "3D000"), "", _Class.STOP, "the database does not exist"),
    _Rule(("28P01",), "", _Class.RETRY_ONCE_REACHED,
          "the server refuses the password", "Check the user and password in `source.dsn`."),
    _Rule(("28",), "", _Class.RETRY_ONCE_REACHED,
          "the server refuses this user", "Check the user in `source.dsn`, and pg_hba.conf."),
    _Rule(("42883",), r"binary output function", _Class.STOP,
          "a type of a published column has no binary form", "Set `source.binary` to false."),
    _Rule(("57014",), "", _Class.RETRY, "the command was cancelled"),

    _Rule(("55000",), r"wal_level", _Class.STOP,
          "the server does not write logical WAL (wal_level)",
          "Run ALTER SYSTEM SET wal_level = logical; and restart the server. (Amazon RDS and "
          "Aurora: rds.logical_replication = 1; Google Cloud SQL: cloudsql.logical_decoding = on; "
          "each with a restart.)"),
    _Rule(("55000",), r"can no longer (access|get changes)|cannot read from logical replication"
                      r"|maximum reserved size|invalidated", _Class.STOP,
          "the slot is lost: the server has removed WAL that it needs", SLOT_LOST_REMEDY),
    _Rule(("55000",), r"not created in this database", _Class.STOP,
          "the slot belongs to another database",
          "Use the database of the slot in `source.dsn`, or another name in `source.slot`."),
    _Rule(("55000",), r"physical replication slot", _Class.STOP,
          "the slot is a physical one", "Use another name in `source.slot`."),
    _Rule(("55000",), r"publication", _Class.STOP,
          "the publication is missing, and the server skips its changes",
          "Create the publication again and start with a new slot: what was skipped is gone."),
    _Rule(("25006",), "", _Class.STOP, "the session is read-only",
          "Use the primary in `source.dsn`; with several hosts add "
          "`target_session_attrs=read-write`. If it is the primary, see whether "
          "default_transaction_read_only is set for the role or the database."),
    _Rule(("55000", "0A000"), r"recovery|standby|synchronized", _Class.STOP,
          "this server is a standby",
          "Use the primary in `source.dsn`; with several hosts add "
          "`target_session_attrs=read-write`."),

    _Rule(("42704",), r"replication slot", _Class.STOP, "the slot does not exist",
          "Create it with `pgbridge init` or `pgbridge slots create NAME`. If it existed before, "
          "the changes since it was dropped are gone: see `--accept-gap`."),
    _Rule(("42704",), r"publication", _Class.STOP, "the publication does not exist",
          "Create it with `pgbridge init`. A slot that is older than its publication cannot be "
          "used on PostgreSQL 17 and older: drop it and create it again."),
    _Rule(("42710",), r"replication slot", _Class.STOP, "a slot of this name exists already",
          "Choose another name, or drop it with `pgbridge slots drop NAME`."),

    _Rule(("53400",), "", _Class.STOP, "the server has no replication slot left",
          "Drop slots that nobody uses (`pgbridge slots list`), or raise max_replication_slots "
          "and restart the server."),
    _Rule(("53300",), "", _Class.RETRY, "the server has no connection left",
          "Raise max_connections or max_wal_senders, or end connections that are not needed."),
    _Rule(("53",), "", _Class.RETRY),

    _Rule(("42501",), r"output plugin", _Class.STOP,
          "the server does not allow this output plugin",
          "Add it to output_plugin_libraries in postgresql.conf and reload."),
    _Rule(("42501",), r"replication", _Class.STOP,
          "this role may not use replication", _REPLICATION_REMEDY),
    _Rule(("42501",), r"row-level security", _Class.STOP,
          "a row-level security policy would hide rows",
          "As a superuser run: ALTER ROLE <role> BYPASSRLS; (the stream sends all rows anyway)."),
    _Rule(("42501",), r"owner of", _Class.STOP, "",
          "A publication takes only tables of its owner: run this as the tables' owner, or let an "
          "administrator create the publication and leave `source.tables` out."),
    _Rule(("42501",), r"denied for database", _Class.STOP, "",
          "Let the owner of the database run: GRANT CREATE ON DATABASE <database> TO <role>; or "
          "let an administrator create the publication and leave `source.tables` out."),
    _Rule(("42501",), r"FOR ALL TABLES|TABLES IN SCHEMA", _Class.STOP, "",
          "List the tables in `source.tables`, or let a superuser create the publication."),
    _Rule(("42501",), "", _Class.STOP, "",
          "Grant the right; `pgbridge doctor` lists everything that is missing."),

    _Rule(("0A000",), r"proto_version", _Class.STOP,
          "the server does not know this version of the protocol",
          "PostgreSQL 13 knows version 1, 14 version 2, 15 version 3, newer ones version 4."),
    _Rule(("XX000", "42601"), r"pgoutput option|unrecognized|invalid proto_version", _Class.STOP,
          "the server does not know this option of pgoutput"),
    _Rule(("08P01",), "", _Class.STOP,
          "the other side does not speak the replication protocol; this looks like a pooler",
          POOLER_REMEDY),
    _Rule(("58P01",), r"WAL segment", _Class.STOP,
          "the server has removed WAL that is still needed", SLOT_LOST_REMEDY),
    _Rule(("58P01",), "", _Class.STOP, "the server does not have this output plugin",
          "Install the plugin's library on the server, or use pgoutput, which is always there."),
    _Rule(("08", "40", "57", "55P03", "25P03", "25P04"), "", _Class.RETRY),
    # Texts of these classes quote values out of rows.
    _Rule(("22", "23"), "", _Class.STOP, "the server refused a value"),
)  # fmt: skip

_MAY_QUOTE_VALUES = ("22", "23")


def explain(error: psycopg.Error, *, doing: str, starting: bool = False) -> BridgeError:
    """Return the error to raise in place of the driver's (``raise explain(...) from error``).

    Args:
        error: what psycopg raised.
        doing: what was being done, to stand before "failed": "reading from the slot".
        starting: whether the server has never answered yet. Then an unreachable server or a
            refused password needs an operator; later on they are an outage to wait for.

    Returns:
        ``Transient``, ``SlotBusy`` or ``EnvironmentProblem``. The texts hold no row values.
    """
    sqlstate, message = error.sqlstate, str(error)
    rules = _ANSWERED if sqlstate else _CONNECTING
    fallback = _Rule((), "", _Class.STOP if sqlstate else _Class.RETRY_ONCE_REACHED)
    rule = next((rule for rule in rules if rule.fits(sqlstate, message)), fallback)
    said = "" if (sqlstate or "").startswith(_MAY_QUOTE_VALUES) else server_text(error)
    origin = f"SQLSTATE {sqlstate}" if sqlstate else ""
    if rule.says:
        aside = ": ".join(part for part in (origin, said) if part)
        reason = f"{rule.says} ({aside})" if aside else rule.says
    else:
        reason = said or "the server gave no reason"
        reason = f"{reason} ({origin})" if origin else reason
    text = f"{doing[:1].upper()}{doing[1:]} failed: {reason}."
    if rule.kind is _Class.BUSY:
        return SlotBusy(text, remedy=rule.remedy)
    if rule.kind is _Class.RETRY or (rule.kind is _Class.RETRY_ONCE_REACHED and not starting):
        return Transient(text, remedy=rule.remedy)
    return EnvironmentProblem(text, remedy=rule.remedy)


def server_text(error: psycopg.Error) -> str:
    """Return the main sentence of an error on one line, without its detail and context."""
    text = error.diag.message_primary
    if text is None:
        # libpq's own texts: "connection to server at ... failed: FATAL:  <sentence>\nDETAIL: ..."
        text = str(error).partition("\n")[0]
        for prefix in ("connection failed: ", "connection is bad: "):
            text = text.removeprefix(prefix)
        text = text.rpartition("FATAL:  ")[2]
    return " ".join(text.split()).rstrip(".")[:_MAX_SERVER_TEXT]
