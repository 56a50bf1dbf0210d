"""The methods, attacks and given models of a suite as in its file, for whoever shows results.

A folder's suite may have been edited by hand. What is no entry is left out: results are shown all
the same, and whoever plans the suite says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal


def entries(
    settings: Mapping[str, Any] | None, kind: Literal["methods", "attacks", "victims"]
) -> list[Mapping[str, Any]]:
    """The entries of one kind that have a name, or of given models a label.

    Args:
        settings: the suite; None where it is not known.
        kind: the array of tables.

    Example:
        >>> entries({"methods": [{"name": "none"}, {"alpha": 1.0}, 7]}, "methods")
        [{'name': 'none'}]
    """
    held = (settings or {}).get(kind)
    known_by = "label" if kind == "victims" else "name"
    return [
        each
        for each in (held if isinstance(held, list | tuple) else ())
        if isinstance(each, Mapping) and isinstance(each.get(known_by), str)
    ]
