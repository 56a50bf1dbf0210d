"""Attacks of a suite that need what is not installed here: left out where the suite allows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robust_augcl.errors import InputError, shown
from robust_augcl.registry import own
from robust_augcl.registry.optional import problem_of

OPTIONAL = "optional"
"""The key of an entry of `[[attacks]]` that may be left out."""


def without_missing(table: Mapping[str, Any], source: str) -> tuple[dict[str, Any], list[str]]:
    """The table of a suite without the optional attacks whose needs are not installed.

    Args:
        table: as the file has it.
        source: names the suite in errors.

    Returns:
        The table, without the key `optional`, and what is to be said of each attack that is left
        out.

    Raises:
        InputError: an attack that is not optional needs what is not installed; or `optional` is
            neither true nor false.

    >>> table = {"attacks": [{"name": "beam", "optional": True}]}
    >>> without_missing(table, "a suite")
    ({'attacks': [{'name': 'beam'}]}, [])
    """
    entries = table.get("attacks")
    if not isinstance(entries, list):
        return dict(table), []
    needs = own.needs("attack")
    kept, told = [], []
    for entry in entries:
        if not isinstance(entry, Mapping):
            kept.append(entry)
            continue
        rest = {key: value for key, value in entry.items() if key != OPTIONAL}
        optional, name = entry.get(OPTIONAL, False), entry.get("name")
        where = f"{source}: [[attacks]] {shown(name)}"
        if type(optional) is not bool:
            raise InputError(f"{where}: Expected `{OPTIONAL}` true or false, got {shown(optional)}")
        problem = problem_of(needs.get(name)) if isinstance(name, str) else ""
        if problem and not optional:
            raise InputError(f"{where}: {problem}")
        if problem:
            told.append(f"{name} is left out: {problem}")
        else:
            kept.append(rest)
    return {**table, "attacks": kept}, told
