"""How strong attacks are that learn: which share of what an exact attack breaks each finds.

An attack that learns may have learned too little, and a table of accuracies alone does not tell.
Where an exact attack stands beside it, on the same victim and under the same threat, it does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from robust_augcl.results.records import Cell, Record

ENOUGH = 0.9
"""The share of an exact attack's breaks that an attack at strength finds, at the least."""


@dataclass(frozen=True)
class Found:
    """What an attack that learned found of what an exact attack breaks, on one victim.

    Args:
        cell: of the attack that learned.
        found: targets that both break.
        broken: targets that the exact attack breaks.

    Example:
        >>> cell = Cell("quick", "data", "none", "gin", 2, 0, "rl_s2v", "strict", 1)
        >>> Found(cell, 45, 50).share, Found(cell, 0, 0).is_enough
        (0.9, True)
    """

    cell: Cell
    found: int
    broken: int

    @property
    def share(self) -> float:
        """Of what the exact attack breaks; 1 where that is nothing."""
        return self.found / self.broken if self.broken else 1.0

    @property
    def is_enough(self) -> bool:
        """Whether it is at strength."""
        return self.share >= ENOUGH


def found_of_exact(records: Iterable[Record]) -> list[Found]:
    """What each attack that learned found, in the order of cells.

    Those beside which no exact attack stands are left out.
    """
    everything = sorted(records, key=lambda record: record.cell)
    exact = {_about(record): record for record in reversed(everything) if record.is_exact}
    return [
        _found(record, exact[_about(record)])
        for record in everything
        if record.traits.learns and _about(record) in exact
    ]


def _about(record: Record) -> tuple[str, ...]:
    """What two records share that can be held against each other: victim, data and threat."""
    threat = json.dumps(record.threat, sort_keys=True)
    return record.victim.digest, record.dataset.digest, record.cell.protocol, threat


def _found(record: Record, exact: Record) -> Found:
    ours = {outcome.target for outcome in record.outcomes if outcome.broken}
    theirs = {outcome.target for outcome in exact.outcomes if outcome.broken}
    return Found(record.cell, len(ours & theirs), len(theirs))
