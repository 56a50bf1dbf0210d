"""Prototypes (SwAV, Caron et al. 2020, arXiv 2006.09882): views predict each other's cluster; no
negatives.
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
    """Swapped prediction of balanced cluster assignments to trained prototypes.

    Args:
        prototypes: K, at least 2; fewer than a batch, which assigns its graphs to them evenly.
        smoothness: epsilon of the assignment, in units of cosine similarity.
        iterations: of Sinkhorn-Knopp.

    Raises:
        ValueError: a value out of range.
    """

    display_name: ClassVar[str] = "Prototypes"

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
    """Equations 1 and 2: the cross-entropy of one view's prediction with the other's assignment.

    The temperature is the suite's. With directions = "one" the graph predicts its view's
    assignment; "both" is SwAV's sum, here a mean. SwAV's multi-crop, queue and frozen first epoch
    are left out.
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
        return (
            loss if self.settings.directions == "one" else (loss + self._predict(second, first)) / 2
        )

    def _predict(self, scores: Tensor, other: Tensor) -> Tensor:
        assigned = balanced_assignment(other.detach(), self.smoothness, self.iterations)
        return -(assigned * (scores / self.settings.temperature).log_softmax(1)).sum(1).mean()


@torch.no_grad()
def balanced_assignment(scores: Tensor, smoothness: float, iterations: int) -> Tensor:
    """Soft codes Q* = Diag(u) exp(scores / epsilon) Diag(v), each prototype equally often, rows
    adding to 1 (equations 3 to 5).

    Shapes: cosine similarities of B graphs and K prototypes (B, K) -> (B, K).
    """
    log_q = scores.double() / smoothness
    for _ in range(iterations):
        log_q = log_q - log_q.logsumexp(0, keepdim=True)  # prototypes
        log_q = log_q - log_q.logsumexp(1, keepdim=True)  # graphs
    return log_q.exp().to(scores.dtype)
