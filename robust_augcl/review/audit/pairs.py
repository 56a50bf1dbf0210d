"""Pairs of records on the same graphs of the same victim: who is weaker, beyond chance."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from robust_augcl.results.intervals import ALPHA, mcnemar
from robust_augcl.results.names import targets_text
from robust_augcl.results.records import Outcome, Record, Target
from robust_augcl.review.audit.evidence import attack_name, listed, name_of, percent

TIE = 1e-4
"""Margins may differ by this share of their usual size between two ways of computing them."""
_ROUNDED = 1e-6  # margins are stored with six decimals

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
    proved, tie = (
        {o.target: o for o in exact.outcomes if o.exact and not o.broken},
        tie_of_clean(ours),
    )
    return [
        o.target
        for o in ours.outcomes
        if o.broken
        and o.target in proved
        and not proved[o.target].attacked_margin - o.attacked_margin <= tie
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


def tie_of(margins: Sequence[float]) -> float:
    """How much each of the margins of one victim may differ between two ways of computing them.

    It goes by the size that half of them do not reach. Nobody can set it by adding a number to
    logits, nor by a few margins.

    >>> round(tie_of([-2.0, 0.5, 1e9]), 6)
    0.000201
    """
    return TIE * median(map(abs, margins)) + _ROUNDED if margins else 0.0


def versus(pairs: Sequence[Pair], short: Callable[[Record], str] = attack_name) -> str:
    """Pairs in words: how many targets each of the two leaves right."""
    return listed(
        [
            f"{name_of(a)} leaves {percent(a.robust_accuracy)} of the {targets_text([a])} right, "
            f"{short(b)} leaves {percent(b.robust_accuracy)}"
            for a, b in pairs
        ]
    )


def _count(outcome: Outcome) -> int:
    return len(outcome.added) + len(outcome.removed)


def tie_of_clean(record: Record) -> float:
    """How much a margin of a record may differ between two ways of computing it."""
    return tie_of([outcome.clean_margin for outcome in record.outcomes])
