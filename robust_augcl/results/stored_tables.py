"""Tables that results carry as JSON: the threat, and where a result was computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from robust_augcl.results import strict


@dataclass(frozen=True)
class StoredThreat:
    """What a record or a certificate says of the threat: the settings of the threat model."""

    __pydantic_config__ = strict.STRICT

    type: Literal["ThreatModel"]
    budget: strict.Budget
    operations: Annotated[list[Literal["add", "delete"]], Field(min_length=1, max_length=2)]
    within_component: bool
    allow_existing: bool
    at: Literal["anywhere", "target", "neighbours"] = "anywhere"
    share_of: Literal["graph", "degree"] = "graph"
    shared: bool = False
    setting: Literal["evasion", "poisoning"] = "evasion"


@dataclass(frozen=True)
class Environment:
    """Where a result was computed."""

    __pydantic_config__ = strict.STRICT

    versions: dict[strict.Name, strict.Name]
    commit: strict.Name | None
    machine: strict.Name
    device: strict.Name
    threads: strict.Positive
    peak_memory_mib: strict.Whole
    processor: strict.Name
    arithmetic: Literal["portable", "fast"]


def threat_table(value: dict[str, Any]) -> dict[str, Any]:
    """A table that is read as `StoredThreat`; raises `ValueError` for any other."""
    threat = strict.table_as(StoredThreat, value)
    if len(set(threat.operations)) < len(threat.operations):
        raise ValueError("different `operations`")
    return value


def environment_table(value: dict[str, Any]) -> dict[str, Any]:
    """A table that is read as `Environment`; raises `ValueError` for any other."""
    for key in ("processor", "arithmetic"):
        if key not in value:  # no version since writes such a table
            raise ValueError(f"a table with `{key}` (an older version wrote it: run again)")
    strict.table_as(Environment, value)
    return value
