"""Revisions: the version of the code behind each result, by part. They go into its address.

A revision is raised whenever a change of the code changes what is computed. So no older result is
taken for a new one, and nothing is thrown away that the change has not touched. A plug-in of our
own (attack, encoder, method, data source) carries its revision as the class attribute `revision`, 1
until it is raised. It covers the file and what only that plug-in uses. The code of other people's
plug-ins is known by its distribution, its version and a digest of its source. The revision of what
the core does in a step stands in the table of step kinds (plan/kinds.py).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

Revision = int | str
"""A number that we raise, or who made foreign code and the digest of its source."""

BESIDE = 6
"""Of what is computed from finished results: audit, transfers, report."""

FIRST = 1
"""The revision of a plug-in that was never raised; it is not in addresses."""


LATER = {"later": True}
"""The metadata of a setting that came later than others (`dataclasses.field`).

At its default the setting is not in addresses, nor in what chance is seeded by. So results that are
older than the setting stay what they are. The default must be what the code did before.
"""


def in_addresses(settings: Any) -> list[dataclasses.Field[Any]]:
    """The fields of a dataclass of settings that stand in addresses.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Graphs:
    ...     name: str
    ...     weighted: bool = dataclasses.field(default=False, metadata=LATER)
    >>> [field.name for field in in_addresses(Graphs("a"))]
    ['name']
    >>> [field.name for field in in_addresses(Graphs("a", weighted=True))]
    ['name', 'weighted']
    """
    return [
        field
        for field in dataclasses.fields(settings)
        if not (field.metadata.get("later") and getattr(settings, field.name) == field.default)
    ]


def changes(before: Mapping[str, Revision], now: Mapping[str, Revision]) -> list[str]:
    """What has another revision now, of the parts that both name, in words.

    >>> changes({"attack beam": 1, "attack old": 1}, {"attack beam": 2, "attack new": 1})
    ['attack beam (1, now 2)']
    """
    return [
        f"{name} ({_short(before[name])}, now {_short(revision)})"
        for name, revision in now.items()
        if before.get(name, revision) != revision
    ]


def _short(revision: Revision) -> str:
    """A revision for people: of a digest the beginning tells enough."""
    return re.sub(r"(sha256 \w{12})\w+", r"\1...", str(revision))
