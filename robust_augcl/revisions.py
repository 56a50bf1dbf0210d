"""The version of the code that matters to each result, by part. It goes into the addresses of
results (`cells.Step.key`).

A revision is raised whenever a change of the code changes what is computed, so that no older result
is taken for a new one, and nothing is thrown away that the change has not touched. A plug-in
(attack, encoder, method, data source) carries its own, the class attribute `revision`, 1 until it
is raised; it covers the file and what only that plug-in uses. What the core does for all is here.
"""

from __future__ import annotations

from collections.abc import Mapping

KINDS = {
    "dataset": 4,
    "warm_up": 4,
    "pretraining": 4,
    "victim": 4,
    "attacker": 4,
    "attack": 4,
    "representation": 4,
    "certificate": 5,  # and of its parts: one search
}
"""Of each kind of step, for what the core's code does in it. Up to 4, one number was that of all
kinds.
"""

BESIDE = 4
"""Of what is computed from finished results: audit, transfers, report."""

FIRST = 1
"""The revision of a plug-in that was never raised; it is not in addresses."""


def of_kind(kind: str) -> dict[str, int]:
    """The revision of a kind of step, by what it is called beside those of plug-ins."""
    kind = kind.removesuffix("_part")
    return {f"{kind} steps": KINDS[kind]}


def plug_in(group: str, what: object) -> dict[str, int]:
    """A plug-in's name, of a group of the registry, and its revision; `what` is its class or an
    instance of it.
    """
    made = what if isinstance(what, type) else type(what)
    return {f"{group} {made.__module__.rpartition('.')[2]}": made.revision}  # type: ignore[attr-defined]


def before_parts(revision: int, table: Mapping[str, object]) -> dict[str, int]:
    """The revisions behind a run of when one number was that of all code; `table` is its suite's,
    as far as it is one.
    """

    def named(group: str, key: str, name: str) -> dict[str, int]:
        value = table.get(key)
        entries = value if isinstance(value, list) else [value]
        return {
            f"{group} {entry[name]}": FIRST
            for entry in entries
            if isinstance(entry, Mapping) and name in entry
        }

    plug_ins = named("data source", "dataset", "source") | named("encoder", "encoder", "name")
    plug_ins |= named("method", "methods", "name") | named("attack", "attacks", "name")
    return {name: revision for kind in KINDS for name in of_kind(kind)} | plug_ins


def changes(before: Mapping[str, int], now: Mapping[str, int]) -> list[str]:
    """What has another revision now, of the parts that both name, in words."""
    return [
        f"{name} ({before[name]}, now {revision})"
        for name, revision in now.items()
        if before.get(name, revision) != revision
    ]
