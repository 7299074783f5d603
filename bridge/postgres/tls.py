"""Which TLS a connection gets when the connection string does not say.

libpq's own default, ``prefer``, encrypts if the server happens to offer it and verifies nothing
(https://www.postgresql.org/docs/current/libpq-ssl.html). A stream of every change deserves more:
a host other than this machine must prove its name with a certificate, unless the operator says
otherwise.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

_VERIFIED = "verify-full"
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Red Hat, Fedora
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)


def tls_defaults(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to the parameters of a connection string that leaves TLS open."""
    if "sslmode" in parameters or os.environ.get("PGSSLMODE"):
        return {}
    if _from_service_file(parameters) or is_local(parameters):
        return {}
    added = {"sslmode": _VERIFIED}
    own = Path("~/.postgresql/root.crt").expanduser()  # libpq finds it by itself
    named = "sslrootcert" in parameters or os.environ.get("PGSSLROOTCERT")
    if not named and not own.is_file():
        added["sslrootcert"] = _system_certificates()
    return added


def tls_note(parameters: Mapping[str, str]) -> str | None:
    """Return what a reader of the log should know about the connection's TLS; None if all is well.

    Args:
        parameters: of the connection string, with ``tls_defaults`` applied.
    """
    if is_local(parameters) and not _from_service_file(parameters):
        return None
    mode = parameters.get("sslmode") or os.environ.get("PGSSLMODE")
    if mode is None:
        return "TLS is left to the service file; check that it says sslmode=verify-full."
    if mode == _VERIFIED:
        return None
    if mode in ("disable", "allow", "prefer"):
        return f"sslmode={mode}: passwords and rows may cross the network unencrypted."
    if mode == "verify-ca":
        return "sslmode=verify-ca: the server's host name is not verified."
    return f"sslmode={mode}: encrypted, but any server may pretend to be this one."


def is_local(parameters: Mapping[str, str]) -> bool:
    """Whether every host of the connection string is this machine."""
    given = parameters.get("hostaddr") or parameters.get("host") or os.environ.get("PGHOST", "")
    return all(_is_local_host(host.strip()) for host in given.split(","))


def _is_local_host(host: str) -> bool:
    # No host, a directory and an abstract name all mean a Unix socket.
    return (
        not host
        or host.startswith(("/", "@", "127."))
        or host.lower() in ("localhost", "::1", "[::1]")
    )


def _from_service_file(parameters: Mapping[str, str]) -> bool:
    return bool(parameters.get("service") or os.environ.get("PGSERVICE"))


def _system_certificates() -> str:
    # "system" is the place that libpq's OpenSSL was built with, which in binary wheels is one
    # that exists on no machine: so look for the bundle first.
    found = (ssl.get_default_verify_paths().cafile, *_BUNDLES)
    return next((path for path in found if path and Path(path).is_file()), "system")
