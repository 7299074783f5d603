"""What JetStream answers when it does not do what it was asked for."""

from __future__ import annotations

from typing import Final

from bridge.core.errors import EnvironmentProblem

OVERTAKEN: Final = frozenset({10070, 10071, 10158, 10164})
"""Somebody was faster, or is about to be: a message is not behind the one that it names."""

NO_MESSAGE: Final = 10037
NO_STREAM: Final = 10059

NOT_ENABLED: Final = frozenset({10039, 10076})
_REMEDIES: Final = {
    10074: "Set replicas to 1, or use a cluster with as many servers as there are replicas.",
    10005: "Start as many servers of the cluster as there are replicas.",
    10023: "Give JetStream more memory or disk (max_memory_store, max_file_store).",
    10047: "Give JetStream more disk (max_file_store).",
    10054: "Append fewer events at once, or raise max_payload of the servers.",
    **dict.fromkeys(NOT_ENABLED, "Enable JetStream on the servers, and for the account."),
}


class Refused(EnvironmentProblem):
    """JetStream refuses a request for good.

    Attributes:
        code: the number of the error in JetStream.
    """

    def __init__(self, doing: str, code: int, description: str) -> None:
        super().__init__(
            f"JetStream refuses {doing}: {description} (error {code}).",
            remedy=_REMEDIES.get(code, ""),
        )
        self.code = code
