"""The order of labels in a report: the suite's, then numbers inside labels as numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def ordered(labels: Iterable[str], order: Sequence[str], last: Sequence[str] = ()) -> list[str]:
    """Labels in an order, then the others by name, then some that stand last.

    Example:
        >>> ordered(["v10", "v9", "b", "z"], ["b"], ["z"])
        ['b', 'v9', 'v10', 'z']
    """
    rank = {label: place for place, label in enumerate(order)} | {
        label: len(order) + 1 + place for place, label in enumerate(last)
    }
    return sorted(labels, key=lambda label: (rank.get(label, len(order)), _natural(label), label))


def _natural(label: str) -> list[str | int]:
    """A key that sorts numbers inside labels as numbers."""
    return [
        int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", label))
    ]
