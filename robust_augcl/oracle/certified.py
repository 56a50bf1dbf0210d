"""What is proved of graphs, whatever the attack.

Letters: G graphs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from robust_augcl.threat.perturbations import Perturbation


@dataclass(frozen=True, eq=False)
class Certificate:
    """What is proved of each graph, whatever the attack.

    Args:
        certified: the prediction is right, and stays so after every allowed set of edits (G,).
        lower_margin: no allowed set leaves a smaller margin, which is the true logit less the best
            other one; minus infinity where no such number is known (G,), as where several edits are
            allowed and some of them break the graph.
        exhausted: the question is settled: certified, or broken by a set of edits that was found
            (G,).
        witnesses: that set, for each of the G graphs. It holds no edit where the prediction is
            wrong already, else as few as were found to break the graph. None where no such set is
            known.
        cost: what the search of sets of several edits took, in evaluations: sets that were tried
            and, with branch and bound, numbers of the bound that were computed. A question that
            branch and bound put to the victim counts as a thousand. Single edits and pairs that
            are tried without branch and bound are not counted (G,).
    """

    certified: Tensor
    lower_margin: Tensor
    exhausted: Tensor
    witnesses: list[Perturbation | None]
    cost: Tensor


def joined(parts: Sequence[Certificate]) -> Certificate:
    """What is proved of several graphs after each other."""
    if not parts:
        nothing = torch.zeros(0, dtype=torch.bool)
        return Certificate(nothing, torch.zeros(0), nothing, [], torch.zeros(0, dtype=torch.long))
    return Certificate(
        certified=torch.cat([part.certified for part in parts]).cpu(),
        lower_margin=torch.cat([part.lower_margin for part in parts]).cpu(),
        exhausted=torch.cat([part.exhausted for part in parts]).cpu(),
        witnesses=[witness for part in parts for witness in part.witnesses],
        cost=torch.cat([part.cost for part in parts]).cpu(),
    )
