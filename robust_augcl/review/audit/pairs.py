"""Pairs of records on the same graphs of the same victim: who is weaker, beyond chance."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from robust_augcl.results.intervals import ALPHA, mcnemar
from robust_augcl.results.records import Outcome, Record, Target
from robust_augcl.review.audit.evidence import listed, name_of

TIE = 1e-4
"""Margins may differ by this much, relative to their size, between two ways of computing them."""

Pair = tuple[Record, Record]


def decidedly_weaker(ours: Record, theirs: Record, tests: int, fair: bool = False) -> bool:
    """Whether ours breaks fewer targets than theirs, by McNemar's exact test.

    The test is corrected for the number of `tests`. With `fair`, a target counts only where the
    winner had no more edits than the loser, or the loser gave up and made none.
    """
    others = {o.target: o for o in theirs.outcomes}
    wins = losses = 0
    for mine in ours.outcomes:
        other = others.get(mine.target)
        if other is None or mine.broken == other.broken:
            continue
        winner, loser = (mine, other) if mine.broken else (other, mine)
        if not fair or _count(winner) <= _count(loser) or _count(loser) == 0:
            wins, losses = wins + mine.broken, losses + other.broken
    return losses > wins and mcnemar(wins, losses) < ALPHA / tests


def broken_though_proved(ours: Record, exact: Record) -> list[Target]:
    """Targets that ours breaks, though the exact record is proved to be unable to.

    The margins differ by more than two ways of computing them may.
    """
    proved = {o.target: o for o in exact.outcomes if o.exact and not o.broken}
    return [
        o.target
        for o in ours.outcomes
        if o.broken
        and o.target in proved
        and proved[o.target].attacked_margin - o.attacked_margin > tie(o)
    ]


def but_budget(record: Record) -> Any:
    """What records must share so that one's edits may be allowed to the other: all but budgets."""
    threat = {key: value for key, value in record.threat.items() if key != "budget"}
    return record.victim.key, json.dumps(threat), record.cell.protocol


def allows(record: Record, other: Record) -> bool:
    """Whether the budget of one allows what the other's does.

    A number of edits and a share of edges are not compared.
    """
    same_kind = type(record.cell.budget) is type(other.cell.budget)
    return same_kind and other.cell.budget <= record.cell.budget


def tie(outcome: Outcome) -> float:
    """How much the margin may differ between two ways of computing it."""
    return TIE * max(1.0, abs(outcome.attacked_margin))


def versus(pairs: Sequence[Pair], word: str, short: Callable[[Record], str]) -> str:
    """Pairs in words: what each of the two leaves."""
    return listed(
        [
            f"{name_of(a)} leaves {a.robust_accuracy:.1%}, {word} {short(b)} "
            f"{b.robust_accuracy:.1%}"
            for a, b in pairs
        ]
    )


def _count(outcome: Outcome) -> int:
    return len(outcome.added) + len(outcome.removed)
