"""The settings for tables that change while the bridge streams them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaChangesConfig:
    """What the bridge does when a table gets another form.

    Attributes:
        compatibility: what a change of a table has to leave, else the bridge stops before it
            delivers anything of the new form: `backward`, who knows the new form reads old rows;
            `forward`, who knows the old form reads new rows; `full`, both; `none`, anything goes.
    """

    compatibility: Literal["none", "backward", "forward", "full"] = "none"
