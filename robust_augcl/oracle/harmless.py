"""Which pairs of edits bounds prove harmless.

Letters: P pairs of candidates.
"""

from __future__ import annotations

import torch
from torch import Tensor

from robust_augcl.graphs.ragged import take
from robust_augcl.oracle.head_bounds import MarginBounds
from robust_augcl.oracle.pair_search import Harmless
from robust_augcl.threat.candidates import Candidates


def harmless_pairs(bounds: MarginBounds, candidates: Candidates, slack: float) -> Harmless:
    """Return what says after which pairs the bounds leave a margin above the slack.

    Args:
        bounds: of these candidates.
        candidates: every allowed edit.
        slack: what a bound must be above.
    """
    # By class, in columns: a few times as fast as rows of so few numbers.
    after_one = [column.contiguous() for column in (bounds.start[candidates.graph] + bounds.cost).T]
    cost = [column.contiguous() for column in bounds.cost.T]

    def harmless(one: Tensor, other: Tensor) -> Tensor:
        out = torch.ones_like(one, dtype=torch.bool)
        for of_one, of_other in zip(after_one, cost, strict=True):
            out &= take(of_one, one) + take(of_other, other) > slack
        return out

    return harmless
