"""ProGCL (Xia et al. 2022, arXiv 2110.02027): how likely a negative is a true one, from a mixture
on similarities.

Letters: B graphs in a batch, D embedding, P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from robust_augcl.contrast.losses import check_batch, cosine_similarities
from robust_augcl.contrast.objective import LossSettings, PairObjective, Views
from robust_augcl.contrast.progcl.mixture import BetaMixture
from robust_augcl.contrast.weighting import HardnessWeighter, PairViews, Weights, mean_normalised
from robust_augcl.progress import Report, silent
from robust_augcl.seeds import spawn
from robust_augcl.validation import require_positive


@dataclass(frozen=True)
class MixtureSettings:
    """Settings of the mixture.

    Args:
        columns: views, drawn over the whole pass, whose similarities to the other anchors of their
            batch the mixture is fitted to.
        iterations: of EM.
        false_share: the share of false negatives that EM starts from.

    Raises:
        ValueError: a value out of range.
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
    """w_ij = p(true negative | s_ij) (s_ij + 1) / 2, over its mean over the negatives of the anchor
    (the weighting variant).

    The mixture on (s + 1) / 2 is fitted once, after the warm-up, and kept. Departures from ProGCL's
    code, which has one batch of all nodes: similarities are those of the current batch, where the
    code keeps the weights of one epoch for good; and positive pairs, one in thousands of a column
    there, are left out of the fit: of a small batch's columns they would be a component of their
    own.
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
            self.mixture = self.mixture.fitted(
                (torch.cat([columns[k] for k in drawn]) + 1) / 2, self.settings.iterations
            )
        report(1.0, "mixture fitted")

    @torch.no_grad()
    def hardness(self, similarity: Tensor) -> Tensor:
        """p(true negative | s) (s + 1) / 2: (B, B) -> (B, B)."""
        scaled = ((similarity + 1) / 2).clamp(0, 1)
        return (self.mixture.posterior(scaled.cpu()).to(similarity.device) * scaled).to(
            similarity.dtype
        )

    def weigh(self, z1: Tensor, z2: Tensor, similarity: Tensor) -> Weights:
        hardness = self.hardness(similarity)
        size = hardness.size(0)
        # The mean is over negatives: on the diagonal stands their mean, which leaves it as it is.
        others = (hardness.sum(1) - hardness.diagonal()) / max(size - 1, 1)
        return mean_normalised(hardness.diagonal_scatter(others))

    @property
    def info(self) -> dict[str, Any]:
        of = self.mixture
        return {
            "mixture": {
                "alphas": of.alphas.tolist(),
                "betas": of.betas.tolist(),
                "shares": of.shares.tolist(),
            }
        }


def _negatives(similarity: Tensor) -> Tensor:
    """Each row without its diagonal entry: (B, B) -> (B, B - 1)."""
    size = similarity.size(0)
    return similarity[~torch.eye(size, dtype=torch.bool)].reshape(size, size - 1)


class MixedNegatives(PairObjective):
    """InfoNCE with harder negatives mixed from an anchor's hardest ones (the mixing variant).

    Of each anchor the `hardest` negatives by hardness h = p(true negative | s) (s + 1) / 2 are
    taken, in falling order; each similarity is averaged with that of a permuted one, weighted by
    their h, as in the code, and added to the denominator as a negative of its own: ``m_k = (h_k s_k
    + h_r(k) s_r(k)) / (h_k + h_r(k))``. One permutation r is drawn for a batch.
    """

    learns = True

    def __init__(
        self,
        settings: LossSettings,
        mixture: MixtureSettings,
        hardest: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__(settings)
        self.weighter, self.hardest = MixtureWeighter(mixture), hardest
        self._generator = spawn(generator)

    def fit(self, views: Views, generator: torch.Generator, report: Report = silent) -> None:
        self.weighter.fit(lambda: ((z1, z2) for z1, z2, _ in views()), generator, report)

    def pair_loss(self, similarity: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
        size = similarity.size(0)
        order = torch.randperm(min(self.hardest, size - 1), generator=self._generator).to(
            similarity.device
        )
        return mixed_nce_of(
            similarity,
            self.weighter.hardness(similarity.detach()),
            order,
            temperature=self.settings.temperature,
            positive_in_denominator=self.settings.positive_in_denominator,
        )

    @property
    def info(self) -> dict[str, Any]:
        return self.weighter.info


def mixed_nce_of(
    similarity: Tensor,
    hardness: Tensor,
    order: Tensor,
    *,
    temperature: float,
    positive_in_denominator: bool = True,
) -> Tensor:
    """The loss of `MixedNegatives`: similarity, hardness (B, B), a permutation (K,) of the K
    hardest negatives -> ().
    """
    size = similarity.size(0)
    check_batch(size, positive_in_denominator)
    own = torch.eye(size, dtype=torch.bool, device=similarity.device)
    ranked = hardness.masked_fill(own, -torch.inf).sort(dim=1, descending=True, stable=True)
    h, s = (
        ranked.values[:, : order.numel()],
        similarity.gather(1, ranked.indices[:, : order.numel()]),
    )
    mixed = (h * s + h[:, order] * s[:, order]) / (h + h[:, order] + 1e-12)
    scores = similarity / temperature
    plain = scores if positive_in_denominator else scores.masked_fill(own, -torch.inf)
    return (torch.cat([plain, mixed / temperature], dim=1).logsumexp(1) - scores.diagonal()).mean()
