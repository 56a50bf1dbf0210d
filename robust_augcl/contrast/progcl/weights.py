"""ProGCL's weights: how likely a negative is a true one, from a mixture on similarities.

Source: Xia et al. 2022 (arXiv 2110.02027).

Letters: B graphs in a batch, D embedding, P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from robust_augcl.contrast.losses import cosine_similarities
from robust_augcl.contrast.progcl.mixture import BetaMixture
from robust_augcl.contrast.rows import Rows
from robust_augcl.contrast.weighting import HardnessWeighter, PairViews, Weights, mean_normalised
from robust_augcl.progress import Report, silent
from robust_augcl.validation import require_positive


@dataclass(frozen=True)
class MixtureSettings:
    """Settings of the mixture.

    Args:
        columns: how many views the mixture is fitted to. They are drawn over the whole pass; each
            gives its similarities to the other anchors of its batch.
        iterations: iterations of EM.
        false_share: the share of false negatives that EM starts from, between 0 and 1.

    Raises:
        ValueError: a value is out of range.
    """

    columns: int = 100
    iterations: int = 10
    false_share: float = 0.05

    def __post_init__(self) -> None:
        require_positive(self, "columns", "iterations")
        if not 0 < self.false_share < 1:
            raise ValueError(
                f"Expected `false_share` to be between 0 and 1, got {self.false_share}"
            )


class MixtureWeighter(HardnessWeighter):
    """ProGCL's weights: p(true negative | s_ij) (s_ij + 1) / 2 over its mean in the row.

    The mean is over the negatives of the anchor. The mixture on (s + 1) / 2 is fitted once, after
    the warm-up, and kept.

    ProGCL's code has one batch of all nodes. Two things are different here. Similarities are those
    of the current batch, where the code keeps the weights of one epoch for good. Positive pairs are
    left out of the fit: in the code they are one in thousands of a column, but of a small batch's
    columns they would be a component of their own.

    >>> weighter = MixtureWeighter(MixtureSettings(columns=4))
    >>> generator = torch.Generator().manual_seed(0)
    >>> z1, z2 = torch.randn(2, 8, 3, generator=generator)
    >>> weighter.fit(lambda: iter([(z1, z2)]), generator)
    >>> weight = weighter(z1, z2)
    >>> round(float(weight.fill_diagonal_(0.0).sum()), 2)  # 8 anchors with 7 negatives each
    56.0
    """

    def __init__(self, settings: MixtureSettings) -> None:
        self.settings = settings
        self.mixture = BetaMixture.start(settings.false_share)

    def fit(self, views: PairViews, generator: torch.Generator, report: Report = silent) -> None:
        columns = [
            column
            for z1, z2 in views()
            for column in _negatives(cosine_similarities(z1, z2).T.cpu())
        ]
        drawn = torch.randperm(len(columns), generator=generator)[: self.settings.columns].tolist()
        if drawn:
            similarities = torch.cat([columns[number] for number in drawn])
            self.mixture = self.mixture.fitted((similarities + 1) / 2, self.settings.iterations)
        report(1.0, "mixture fitted")

    @torch.no_grad()
    def hardness(self, similarity: Tensor) -> Tensor:
        """Return p(true negative | s) (s + 1) / 2: (B, B) -> (B, B)."""
        scaled = ((similarity + 1) / 2).clamp(0, 1)
        true_negative = self.mixture.posterior(scaled.cpu()).to(similarity.device)
        return (true_negative * scaled).to(similarity.dtype)

    def weigh(self, z1: Tensor, z2: Tensor, similarity: Tensor) -> Weights:
        hardness = self.hardness(similarity)
        size = hardness.size(0)
        # `mean_normalised` divides by the mean of the whole row. The mean of the negatives stands
        # on the diagonal, so that this is the mean of the negatives.
        others = (hardness.sum(1) - hardness.diagonal()) / max(size - 1, 1)
        return mean_normalised(hardness.diagonal_scatter(others))

    def weigh_rows(self, rows: Rows) -> Weights:
        hardness = self.hardness(rows.inter.detach())
        own = rows.own.unsqueeze(1)
        # As above: the mean of the negatives stands in for the anchor's own.
        others = (hardness.sum(1, keepdim=True) - hardness.gather(1, own)) / (hardness.size(1) - 1)
        return mean_normalised(hardness.scatter(1, own, others), own=rows.own)

    @property
    def info(self) -> dict[str, Any]:
        parameters = ("alphas", "betas", "shares")
        return {"mixture": {name: getattr(self.mixture, name).tolist() for name in parameters}}


def _negatives(similarity: Tensor) -> Tensor:
    """Return each row without its diagonal entry: (B, B) -> (B, B - 1)."""
    size = similarity.size(0)
    return similarity[~torch.eye(size, dtype=torch.bool)].reshape(size, size - 1)
