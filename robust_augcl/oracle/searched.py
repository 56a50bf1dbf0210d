"""What a search over sets of edits says of graphs.

Letters: G graphs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

QUESTION = 1_000
"""A question to the victim takes as long as so many evaluations, or longer."""


@dataclass(frozen=True, eq=False)
class Searched:
    """What the search says of G graphs.

    Args:
        safe: no allowed set breaks the graph (G,).
        sets: numbers of candidates that break it, -1 where there are fewer; all -1 where none are
            known (G, most edits).
        lower: of what is safe, no allowed set leaves a margin below this; else minus infinity (G,).
        evaluations: sets that were tried, and with branch and bound costs that were computed (G,).
        questions: to the victim, with branch and bound (G,).
        set_up: what branch and bound took before it tried any set, in evaluations (G,).
    """

    safe: Tensor
    sets: Tensor
    lower: Tensor
    evaluations: Tensor
    questions: Tensor
    set_up: Tensor

    @classmethod
    def nothing(cls, graphs: int, most: int) -> Searched:
        """Nothing is known yet of so many graphs and sets of at most so many edits."""
        return cls(
            safe=torch.zeros(graphs, dtype=torch.bool),
            sets=torch.full((graphs, most), -1, dtype=torch.long),
            lower=torch.full((graphs,), -torch.inf, dtype=torch.double),
            evaluations=torch.zeros(graphs, dtype=torch.long),
            questions=torch.zeros(graphs, dtype=torch.long),
            set_up=torch.zeros(graphs, dtype=torch.long),
        )

    @property
    def cost(self) -> Tensor:
        """What the search took: a question to the victim counts as `QUESTION` evaluations (G,)."""
        return self.evaluations + self.set_up + QUESTION * self.questions

    @property
    def broken(self) -> Tensor:
        """Where a set is known that breaks the graph (G,)."""
        return (self.sets >= 0).any(1)
