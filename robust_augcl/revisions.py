"""Revisions: the version of the code behind each result, by part. They go into its address.

A revision is raised whenever a change of the code changes what is computed. So no older result is
taken for a new one, and nothing is thrown away that the change has not touched. A plug-in of our
own (attack, encoder, method, data source) carries its revision as the class attribute `revision`, 1
until it is raised. It covers the file and what only that plug-in uses. The code of other people's
plug-ins is known by its distribution, its version and a digest of its source. The revision of what
the core does in a step stands in the table of step kinds (plan/kinds.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from robust_augcl import registry

Revision = int | str
"""A number that we raise, or who made foreign code and the digest of its source."""

BESIDE = 4
"""Of what is computed from finished results: audit, transfers, report."""

FIRST = 1
"""The revision of a plug-in that was never raised; it is not in addresses."""


def plug_in(group: str, what: object) -> dict[str, Revision]:
    """What a plug-in's code is known by in addresses: its name, and its revision.

    Args:
        group: of the registry, e.g. "attack".
        what: its class, or an instance of it.

    Returns:
        Of our own: {"attack beam": 2}. Of other people's: {"attack acme.attacks:Flip":
        "acme-attacks 1.2, sha256 ..."}, the distribution, its version and the digest of the source,
        and the revisions of our own plug-ins that it derives from.
    """
    made = what if isinstance(what, type) else type(what)
    found: dict[str, Revision] = {
        f"{group} {base.__module__.rpartition('.')[2]}": base.revision
        for base in made.__mro__
        if registry.is_own(group, base) and hasattr(base, "revision")
    }
    if not registry.is_own(group, made):
        by = registry.origin(made)
        found[f"{group} {by['name']}"] = (
            f"{by['distribution']} {by['version']}".strip() + f", sha256 {by.get('source', '')}"
        )
    return found


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
