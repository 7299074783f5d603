"""Managed clouds: how each one is recognised, and how what is missing is done there.

They give no superuser, and switch logical replication on in ways of their own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A provider of managed servers, or a server that somebody runs themselves.

    Attributes:
        name: of the provider; empty for none.
        roles: that exist only there; any of them tells.
        settings: server settings that exist only there; any of them tells.
        enable_wal: how logical WAL is switched on.
        administrator: who may give the right to replicate.
        replication_sql: how; ``{role}`` stands for the quoted name of the role.
        advice: what else to know, in a sentence; empty for nothing.
    """

    name: str
    roles: frozenset[str] = frozenset()
    settings: frozenset[str] = frozenset()
    enable_wal: str
    administrator: str = "a superuser"
    replication_sql: str = "ALTER ROLE {role} REPLICATION"
    advice: str = ""

    def grant_replication(self, quoted_role: str) -> str:
        """Return the sentence that says how a role gets the right to replicate."""
        return f"As {self.administrator} run: {self.replication_sql.format(role=quoted_role)};"


SELF_MANAGED = Cloud(
    name="",
    enable_wal="Run ALTER SYSTEM SET wal_level = logical; as a superuser and restart the server.",
)

CLOUDS = (
    Cloud(
        name="Amazon RDS or Aurora",
        roles=frozenset({"rds_superuser", "rds_replication"}),
        settings=frozenset({"rds.logical_replication", "rds.extensions"}),
        enable_wal="Set rds.logical_replication = 1 in the parameter group (for Aurora that of "
        "the cluster) and reboot the instance.",
        administrator="the master user",
        replication_sql="GRANT rds_replication TO {role}",
        advice="Connect to the instance or cluster endpoint, not to RDS Proxy.",
    ),
    Cloud(
        name="Google Cloud SQL",
        roles=frozenset({"cloudsqlsuperuser"}),
        settings=frozenset({"cloudsql.logical_decoding"}),
        enable_wal="Set the flag cloudsql.logical_decoding = on; the instance restarts.",
        administrator="a cloudsqlsuperuser",
    ),
    Cloud(
        name="Google AlloyDB",
        roles=frozenset({"alloydbsuperuser"}),
        settings=frozenset({"alloydb.logical_decoding"}),
        enable_wal="Set the flag alloydb.logical_decoding = on; the instance restarts.",
        administrator="an alloydbsuperuser",
    ),
    Cloud(
        name="Azure Database for PostgreSQL",
        roles=frozenset({"azure_pg_admin"}),
        settings=frozenset({"azure.extensions"}),
        enable_wal="Set the server parameter wal_level to logical and restart the server.",
        administrator="the administrator",
        advice="Use port 5432: 6432 is the built-in pooler.",
    ),
    Cloud(
        name="Neon",
        roles=frozenset({"neon_superuser"}),
        settings=frozenset({"neon.timeline_id"}),
        enable_wal="Enable logical replication in the project's settings; computes restart.",
        administrator="a neon_superuser",
        advice="Roles made in the console may replicate. Use the host without -pooler. Neon drops "
        "slots that nobody uses for a while, so keep the bridge running.",
    ),
    Cloud(
        name="Supabase",
        roles=frozenset({"supabase_admin"}),
        enable_wal="Logical WAL is on by default there: contact the provider.",
        administrator="postgres",
        advice="Use the direct host db.<project>.supabase.co, port 5432; it has an IPv6 address, "
        "or IPv4 as an add-on. The pooler does not pass replication on.",
    ),
    Cloud(
        name="Aiven",
        roles=frozenset({"avnadmin"}),
        enable_wal="Logical WAL is on by default there: contact the provider.",
        administrator="avnadmin",
    ),
    Cloud(
        name="DigitalOcean",
        roles=frozenset({"doadmin"}),
        enable_wal="Logical WAL is on by default there: contact the provider.",
        administrator="doadmin",
    ),
)

KNOWN_ROLES = frozenset().union(*(cloud.roles for cloud in CLOUDS))
KNOWN_SETTINGS = frozenset().union(*(cloud.settings for cloud in CLOUDS))


def detect_cloud(roles: Collection[str], settings: Collection[str]) -> Cloud:
    """Return the provider that these roles and settings belong to, else ``SELF_MANAGED``."""
    for cloud in CLOUDS:
        if cloud.roles & set(roles) or cloud.settings & set(settings):
            return cloud
    return SELF_MANAGED
