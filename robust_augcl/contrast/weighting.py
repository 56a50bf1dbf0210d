"""Hardness weighting: how much each negative counts in the contrastive loss.

Letters: B graphs in a batch, D embedding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from robust_augcl.contrast.losses import cosine_similarities
from robust_augcl.progress import Report, silent

PairViews = Callable[[], Iterator[tuple[Tensor, Tensor]]]
"""One pass over the data: for each batch the embeddings of anchors and of views drawn anew, (B, D)
both, detached.
"""

Alpha = Literal["row_mean", "batch_mean", "inverse_mean_minus", "inverse_mean_plus"]


class Weights(NamedTuple):
    """Weights (B, B), and two kinds of rows (B,) that weigh 1: those that said nothing about
    hardness, and those of an alpha <= 0.
    """

    weight: Tensor
    collapsed: Tensor
    refused: Tensor


class HardnessWeighter(ABC):
    """Weighs negatives; learns how in `fit`.

    Class attributes:
        measure: what the weights are made of, as notes call it.
    """

    measure: ClassVar[str] = "weights"

    def fit(self, views: PairViews, generator: torch.Generator, report: Report = silent) -> None:  # noqa: B027 (nothing is the default)
        """Learn from passes over the data; all chance comes from `generator`."""

    @abstractmethod
    def weigh(self, z1: Tensor, z2: Tensor, similarity: Tensor) -> Weights:
        """Weights of all pairs, non-negative, diagonal 1: z1, z2 (B, D), their similarities (B, B),
        all detached.
        """

    @torch.no_grad()
    def __call__(self, z1: Tensor, z2: Tensor) -> Tensor:
        """The weights alone: (B, D), (B, D) -> (B, B), detached."""
        z1, z2 = z1.detach(), z2.detach()
        return self.weigh(z1, z2, cosine_similarities(z1, z2)).weight

    def uncertainty(self, z1: Tensor, z2: Tensor, similarity: Tensor) -> Tensor | None:
        """u_ij (B, B), where there is such a thing."""
        return None

    @property
    def notes(self) -> list[str]:
        """What a reader of the results should know of the fit."""
        return []

    @property
    def info(self) -> dict[str, Any]:
        """What the fit was like, as JSON."""
        return {}


def mean_normalised(uncertainty: Tensor, floor: float = 1e-12) -> Weights:
    """alpha u_ij with alpha = 1 / mean over all j of u_ij, then the diagonal 1 (AUGCL's code): (B,
    B) -> (B, B).
    """
    return scaled(uncertainty, "row_mean", floor=floor)


def scaled(
    uncertainty: Tensor, alpha: Alpha | float, delta: float = 0.0, floor: float = 1e-12
) -> Weights:
    """alpha u_ij, then the diagonal 1 (AUGCL, arXiv 2301.13340, section 3.4).

    A row whose mean, or whose mean over the negatives, is not above `floor` says nothing about
    hardness: all its weights are 1, as in plain InfoNCE, where the published formula gives NaN, or
    a loss without negatives. So it is, counted apart, where alpha is not positive: negatives would
    be pulled in, or not count at all.

    Args:
        uncertainty: u (B, B), not negative.
        alpha: "row_mean": 1 / mu_i, mu_i the mean over all j; "batch_mean": 1 over the mean of the
            whole batch; "inverse_mean_minus", "inverse_mean_plus": 1 / mu_i -+ delta; a number:
            itself.
        delta: of the two.
        floor: see above.
    """
    rows = uncertainty.mean(1, keepdim=True)
    mean = rows.mean() if alpha == "batch_mean" else rows
    negatives = uncertainty.sum(1, keepdim=True) - uncertainty.diagonal().unsqueeze(1)
    collapsed = ~(rows > floor) | ~(negatives > floor * uncertainty.size(1))
    refused = torch.zeros_like(collapsed)
    if isinstance(alpha, str):
        weight = uncertainty / mean.clamp(min=floor)
        if alpha in ("inverse_mean_minus", "inverse_mean_plus"):
            factor = 1 / mean.clamp(min=floor) + (delta if alpha == "inverse_mean_plus" else -delta)
            refused = ~(factor > 0) & ~collapsed
            weight = uncertainty * factor
        elif alpha == "batch_mean":
            collapsed |= ~(mean > floor)
    else:
        weight = uncertainty * alpha
    weight = torch.where(collapsed | refused, 1.0, weight)
    return Weights(weight.fill_diagonal_(1.0), collapsed.squeeze(1), refused.squeeze(1))


class WeightStatistics:
    """What the weights of a training were like, and what of it a reader should know.

    Args:
        measure: what the weights are made of, as notes call it.
    """

    # weights this close to their mean, as a share of it, change nothing: seen where every pair is
    # reserved
    FLAT = 0.01
    HANDFUL = 0.1  # of the negatives: fewer effective ones than this share carry the loss
    UNIFORM = 0.01  # standard deviation of an anchor's similarities: nothing there to cluster
    RARE = 0.05  # share of the anchors up to which the last three are not worth a note
    CHANCE = 0.001  # that up to which weights of 1, put in where there were none, are not

    def __init__(self, measure: str = HardnessWeighter.measure) -> None:
        self.measure = measure
        self.rows = self.collapsed = self.refused = self.flat = self.few = self.uniform = 0
        self._effective = 0.0

    @torch.no_grad()
    def add(self, weights: Weights, similarity: Tensor) -> None:
        """Count a batch: weights and similarities (B, B)."""
        weight, collapsed, refused = weights
        size = weight.size(0)
        if size < 2:
            return
        negatives = weight.clone().fill_diagonal_(0.0)
        total = negatives.sum(1)
        mean = total / (size - 1)
        away = (weight - mean.unsqueeze(1)).abs().fill_diagonal_(0.0).amax(1)
        flat = (away < self.FLAT * mean) & ~collapsed & ~refused
        if size == 2:  # a single negative is always equal to itself
            flat = torch.zeros_like(flat)
        # The effective number of negatives (sum w)^2 / sum w^2, as a share.
        effective = total.square() / negatives.square().sum(1).clamp(min=1e-30) / (size - 1)
        centred = similarity - similarity.mean(1, keepdim=True)
        uniform = centred.square().mean(1).sqrt() < self.UNIFORM
        counts = [
            collapsed.sum(),
            refused.sum(),
            flat.sum(),
            (effective < self.HANDFUL).sum(),
            uniform.sum(),
        ]
        found = torch.stack(counts).tolist()
        self.rows += size
        self.collapsed, self.refused, self.flat = (
            self.collapsed + found[0],
            self.refused + found[1],
            self.flat + found[2],
        )
        self.few, self.uniform = self.few + found[3], self.uniform + found[4]
        self._effective += float(effective.sum())

    @property
    def effective_share(self) -> float:
        """The mean effective share of the negatives, 1 for equal weights."""
        return self._effective / max(self.rows, 1)

    @property
    def notes(self) -> list[str]:
        found = []
        if self.collapsed > self.CHANCE * self.rows:
            found.append(
                f"the {self.measure} collapsed to 0 for {self._percent(self.collapsed)} of the "
                "anchors, whose negatives were weighted 1"
            )
        if self.refused > self.CHANCE * self.rows:
            found.append(
                f"alpha = 1/mean - delta is not positive for {self._percent(self.refused)} of "
                "the anchors, whose negatives were weighted 1"
            )
        if self.flat > self.RARE * self.rows:
            found.append(
                f"equal weights: the {self.measure} did not tell the negatives of "
                f"{self._percent(self.flat)} of the anchors apart "
                f"(within {self.FLAT:.0%} of their mean): there the loss is the plain one but "
                "for a factor of the negatives"
            )
        if self.few > self.RARE * self.rows:
            found.append(
                f"unstable weights: for {self._percent(self.few)} of the anchors fewer than "
                f"{self.HANDFUL:.0%} of the negatives "
                "carry the loss (effective number)"
            )
        if self.uniform > self.RARE * self.rows:
            found.append(
                f"too uniform embeddings: the similarities of {self._percent(self.uniform)} of "
                "the anchors differ by less than "
                f"{self.UNIFORM} (standard deviation), too little to cluster"
            )
        return found

    @property
    def info(self) -> dict[str, Any]:
        return {"effective_share": round(self.effective_share, 6)} if self.rows else {}

    def _percent(self, count: int) -> str:
        """In whole percent, so that notes of several seeds can be equal."""
        percent = 100 * count / self.rows
        if percent < 1:
            return "under 1 %"
        return "over 99 %" if 99 < percent < 100 else f"{percent:.0f} %"
