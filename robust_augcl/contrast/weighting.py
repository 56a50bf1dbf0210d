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
from robust_augcl.contrast.rows import Rows
from robust_augcl.errors import InputError
from robust_augcl.progress import Report, silent

PairViews = Callable[[], Iterator[tuple[Tensor, Tensor]]]
"""Makes one pass over the data, with views drawn anew.

For each batch it yields the embeddings of the anchors and of the views, both (B, D), detached.
"""

Alpha = Literal["row_mean", "batch_mean", "inverse_mean_minus", "inverse_mean_plus"]


class Weights(NamedTuple):
    """The weights of a batch, and which of its rows had to be weighted 1.

    Args:
        weight: the weights (B, B), with 1 on the diagonal.
        collapsed: the rows (B,) whose uncertainties said nothing about hardness. They weigh 1.
        refused: the rows (B,) whose alpha was not positive. They weigh 1.
    """

    weight: Tensor
    collapsed: Tensor
    refused: Tensor


class HardnessWeighter(ABC):
    """Weighs negatives; `fit` learns how.

    Class attributes:
        measure: what the weights are made of, as notes call it.
    """

    measure: ClassVar[str] = "weights"

    def fit(  # noqa: B027 (by default there is nothing to learn)
        self, views: PairViews, generator: torch.Generator, report: Report = silent
    ) -> None:
        """Learn from passes over the data; all chance comes from `generator`."""

    def weigh_rows(self, rows: Rows) -> Weights:
        """Return the weights of some anchors of very many, with all nodes of the other view.

        A node's weight counts for it in both views.

        Shapes: as `Rows` -> (R, N), with 1 in each anchor's own column.

        Raises:
            InputError: a weighter that has to see all anchors at once.
        """
        raise InputError(
            f"Expected a method whose weights can be worked out for some nodes at a time, got one "
            f"with {self.measure} of all at once: it is for graphs alone"
        )

    @abstractmethod
    def weigh(self, z1: Tensor, z2: Tensor, similarity: Tensor) -> Weights:
        """Return the weights of all pairs, which are not negative and 1 on the diagonal.

        Shapes: z1 (B, D), z2 (B, D) and their similarities (B, B), all detached -> (B, B).
        """

    @torch.no_grad()
    def __call__(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Return the weights alone, detached: (B, D), (B, D) -> (B, B)."""
        z1, z2 = z1.detach(), z2.detach()
        return self.weigh(z1, z2, cosine_similarities(z1, z2)).weight

    def uncertainty(self, z1: Tensor, z2: Tensor, similarity: Tensor) -> Tensor | None:
        """Return u_ij (B, B), or None if the weighter has no uncertainty."""
        return None

    @property
    def notes(self) -> list[str]:
        """What a reader of the results should know of the fit."""
        return []

    @property
    def info(self) -> dict[str, Any]:
        """What the fit was like, as JSON."""
        return {}


def mean_normalised(
    uncertainty: Tensor, floor: float = 1e-12, own: Tensor | None = None
) -> Weights:
    """Return the weights alpha u_ij of AUGCL's code, where alpha is 1 / mean over all j of u_ij.

    The mean includes the diagonal, which is set to 1 afterwards.

    Shapes: uncertainty (B, B) -> (B, B).

    >>> mean_normalised(torch.tensor([[1.0, 3.0], [0.0, 0.0]])).weight.tolist()
    [[1.0, 1.5], [1.0, 1.0]]
    """
    return scaled(uncertainty, "row_mean", floor=floor, own=own)


def scaled(
    uncertainty: Tensor,
    alpha: Alpha | float,
    delta: float = 0.0,
    floor: float = 1e-12,
    own: Tensor | None = None,
) -> Weights:
    """Return the weights alpha u_ij, with 1 on the diagonal (AUGCL, arXiv 2301.13340, section 3.4).

    A row says nothing about hardness if its mean, or its mean over the negatives, is not above
    `floor`. All weights of such a row are 1, as in plain InfoNCE; the published formula gives NaN
    there, or a loss without negatives. A row whose alpha is not positive is weighted 1 too, and
    counted apart: otherwise negatives would be pulled in, or would not count at all.

    Args:
        uncertainty: u (B, B), not negative.
        alpha: "row_mean": 1 / mu_i, where mu_i is the mean over all j. "batch_mean": 1 over the
            mean of the whole batch. "inverse_mean_minus": 1 / mu_i - delta.
            "inverse_mean_plus": 1 / mu_i + delta. A number: that number.
        delta: see `alpha`.
        floor: the mean up to which a row says nothing.
        own: the column of each row's positive (R,), where there are only some rows (R, B). None:
            the diagonal.

    >>> u = torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    >>> scaled(u, 2.0).weight.tolist()
    [[1.0, 1.0], [0.5, 1.0]]
    >>> scaled(u, "inverse_mean_minus", delta=3.0).refused.tolist()
    [True, True]
    """
    rows = uncertainty.mean(1, keepdim=True)
    mean = rows.mean() if alpha == "batch_mean" else rows
    place = _places(uncertainty, own)
    negatives = uncertainty.sum(1, keepdim=True) - uncertainty.gather(1, place)
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
    return Weights(weight.scatter_(1, place, 1.0), collapsed.squeeze(1), refused.squeeze(1))


def _places(matrix: Tensor, own: Tensor | None) -> Tensor:
    """The column of each row's positive (R, 1): that of the diagonal, where none is stated."""
    if own is None:
        own = torch.arange(matrix.size(0), device=matrix.device)
    return own.unsqueeze(1)


class WeightStatistics:
    """Counts what the weights of a training were like, and says what a reader should know of it.

    Args:
        measure: what the weights are made of, as notes call it.
    """

    FLAT = 0.01
    """Weights this close to their mean, as a share of it, change nothing.

    That was seen where every pair is reserved.
    """
    HANDFUL = 0.1
    """An anchor whose effective negatives are fewer than this share rests on a handful."""
    UNIFORM = 0.01
    """Below this standard deviation, an anchor's similarities leave nothing to cluster."""
    RARE = 0.05
    """Up to this share of the anchors, the three findings above are not worth a note."""
    CHANCE = 0.001
    """Up to this share of the anchors, weights of 1 in place of none are not worth a note."""

    def __init__(self, measure: str = HardnessWeighter.measure) -> None:
        self.measure = measure
        self.rows = self.collapsed = self.refused = self.flat = self.few = self.uniform = 0
        self._effective = 0.0

    @torch.no_grad()
    def add(self, weights: Weights, similarity: Tensor, own: Tensor | None = None) -> None:
        """Count a batch: its weights (B, B) and its similarities (B, B).

        Of some rows (R, B) of it, `own` is the column of each row's positive (R,).
        """
        weight, collapsed, refused = weights
        rows, size = weight.shape
        if size < 2:
            return
        place = _places(weight, own)
        negatives = weight.scatter(1, place, 0.0)
        total = negatives.sum(1)
        mean = total / (size - 1)
        farthest = (weight - mean.unsqueeze(1)).abs().scatter_(1, place, 0.0).amax(1)
        flat = (farthest < self.FLAT * mean) & ~collapsed & ~refused
        if size == 2:  # a single negative is always equal to itself
            flat = torch.zeros_like(flat)
        # The effective number of negatives (sum w)^2 / sum w^2, as a share.
        effective = total.square() / negatives.square().sum(1).clamp(min=1e-30) / (size - 1)
        centred = similarity - similarity.mean(1, keepdim=True)
        uniform = centred.square().mean(1) < self.UNIFORM**2
        counts = [
            collapsed.sum(),
            refused.sum(),
            flat.sum(),
            (effective < self.HANDFUL).sum(),
            uniform.sum(),
        ]
        found = torch.stack(counts).tolist()
        self.rows += rows
        self.collapsed += found[0]
        self.refused += found[1]
        self.flat += found[2]
        self.few += found[3]
        self.uniform += found[4]
        self._effective += float(effective.sum())

    @property
    def effective_share(self) -> float:
        """The mean effective share of the negatives; it is 1 for equal weights."""
        return self._effective / max(self.rows, 1)

    @property
    def notes(self) -> list[str]:
        found = []
        if self.collapsed > self.CHANCE * self.rows:
            found.append(
                f"for {self._percent(self.collapsed)} of the anchors the {self.measure} collapsed "
                "to 0. Their negatives were given the weight 1"
            )
        if self.refused > self.CHANCE * self.rows:
            found.append(
                f"for {self._percent(self.refused)} of the anchors alpha = 1/mean - delta is not "
                "positive. Their negatives were given the weight 1"
            )
        if self.flat > self.RARE * self.rows:
            found.append(
                f"equal weights: for {self._percent(self.flat)} of the anchors all negatives were "
                f"given almost the same weight (within {100 * self.FLAT:.0f} % of their mean). "
                "There weighting changes almost nothing"
            )
        if self.few > self.RARE * self.rows:
            found.append(
                f"uneven weights: for {self._percent(self.few)} of the anchors fewer than "
                f"{100 * self.HANDFUL:.0f} % of the negatives carry almost all of the weight "
                "(effective number)"
            )
        if self.uniform > self.RARE * self.rows:
            found.append(
                f"too uniform embeddings: for {self._percent(self.uniform)} of the anchors all "
                "negatives are almost equally similar (standard deviation below "
                f"{self.UNIFORM}). That is too little to find clusters in them"
            )
        return found

    @property
    def info(self) -> dict[str, Any]:
        return {"effective_share": round(self.effective_share, 6)} if self.rows else {}

    def _percent(self, count: int) -> str:
        """Say a count in whole percent, so that notes of several seeds can be equal."""
        percent = 100 * count / self.rows
        if percent < 1:
            return "under 1 %"
        return "over 99 %" if 99 < percent < 100 else f"{percent:.0f} %"
