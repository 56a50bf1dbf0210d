"""Prototypes (SwAV, Caron et al. 2020, arXiv 2006.09882): views predict each other's cluster.

There are no negatives.

Letters: B graphs in a batch, D embedding, K prototypes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from robust_augcl.contrast.method_base import Method
from robust_augcl.contrast.objective import LossSettings, Objective
from robust_augcl.validation import require_positive


@dataclass(frozen=True)
class Prototypes(Method):
    """Swapped prediction of balanced assignments to trained prototypes.

    Args:
        prototypes: K, at least 2. It should be below the size of a batch, whose graphs are assigned
            to them evenly.
        smoothness: epsilon of the assignment, in units of cosine similarity.
        iterations: iterations of Sinkhorn-Knopp.

    Raises:
        ValueError: a value is out of range.

    >>> generator = torch.Generator().manual_seed(0)
    >>> objective = Prototypes(prototypes=4).objective(8, LossSettings(), generator, "cpu")
    >>> objective.prototypes.shape
    torch.Size([4, 8])
    """

    display_name: ClassVar[str] = "Prototypes"
    bases: ClassVar[tuple[str, ...]] = ("graphcl", "simgrace")

    prototypes: int = 16
    smoothness: float = 0.05
    iterations: int = 3

    def __post_init__(self) -> None:
        require_positive(self, "smoothness", "iterations")
        if self.prototypes < 2:
            raise ValueError(f"Expected `prototypes` to be at least 2, got {self.prototypes}")

    def objective(
        self,
        embedding_size: int,
        settings: LossSettings,
        generator: torch.Generator,
        device: torch.device | str,
    ) -> SwappedPrediction:
        start = torch.randn(self.prototypes, embedding_size, generator=generator).to(device)
        return SwappedPrediction(
            settings, nn.Parameter(normalize(start, dim=1)), self.smoothness, self.iterations
        )


class SwappedPrediction(Objective):
    """The loss of equations 1 and 2: one view's prediction against the other view's assignment.

    It is their cross-entropy. The temperature is the suite's. With directions = "one" the graph
    predicts the assignment of its view; "both" is SwAV's sum, here a mean. SwAV's multi-crop, queue
    and frozen first epoch are left out.
    """

    def __init__(
        self, settings: LossSettings, prototypes: nn.Parameter, smoothness: float, iterations: int
    ) -> None:
        self.settings, self.prototypes = settings, prototypes
        self.smoothness, self.iterations = smoothness, iterations

    def parameters(self) -> list[nn.Parameter]:
        return [self.prototypes]

    def loss(self, z1: Tensor, z2: Tensor, numbers: Tensor) -> Tensor:
        prototypes = normalize(self.prototypes, dim=1)
        first, second = normalize(z1, dim=1) @ prototypes.T, normalize(z2, dim=1) @ prototypes.T
        loss = self._predict(first, second)
        if self.settings.directions == "one":
            return loss
        return (loss + self._predict(second, first)) / 2

    def _predict(self, scores: Tensor, other: Tensor) -> Tensor:
        assigned = balanced_assignment(other.detach(), self.smoothness, self.iterations)
        return -(assigned * (scores / self.settings.temperature).log_softmax(1)).sum(1).mean()


@torch.no_grad()
def balanced_assignment(scores: Tensor, smoothness: float, iterations: int) -> Tensor:
    """Return soft codes Q* = Diag(u) exp(scores / epsilon) Diag(v) (equations 3 to 5).

    Each prototype is assigned equally often, and the rows add to 1.

    Shapes: cosine similarities of B graphs and K prototypes (B, K) -> (B, K).

    >>> codes = balanced_assignment(torch.eye(2), smoothness=0.5, iterations=3)
    >>> codes.sum(0).round(decimals=4).tolist(), codes.sum(1).round(decimals=4).tolist()
    ([1.0, 1.0], [1.0, 1.0])
    """
    log_q = scores.double() / smoothness
    for _ in range(iterations):
        log_q = log_q - log_q.logsumexp(0, keepdim=True)  # each prototype adds to 1
        log_q = log_q - log_q.logsumexp(1, keepdim=True)  # each graph adds to 1
    return log_q.exp().to(scores.dtype)
