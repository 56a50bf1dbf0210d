"""ProGCL's mixing variant: InfoNCE with further negatives, mixed from the hardest ones.

Source: Xia et al. 2022 (arXiv 2110.02027).

Letters: B graphs in a batch, D embedding, K negatives that are mixed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from robust_augcl.contrast.losses import check_batch
from robust_augcl.contrast.objective import LossSettings, PairObjective, Views
from robust_augcl.contrast.progcl.weights import MixtureSettings, MixtureWeighter
from robust_augcl.contrast.row_losses import mixed_nce_rows
from robust_augcl.contrast.rows import Rows
from robust_augcl.progress import Report, silent
from robust_augcl.seeds import spawn


class MixedNegatives(PairObjective):
    """InfoNCE with harder negatives mixed from an anchor's hardest ones (the mixing variant).

    Of each anchor the `hardest` negatives are taken, in falling order of their hardness
    h = p(true negative | s) (s + 1) / 2. Each similarity is averaged with that of a permuted one.
    The averages are weighted by hardness, as in the code. Each is added to the denominator as a
    negative of its own: ``m_k = (h_k s_k + h_r(k) s_r(k)) / (h_k + h_r(k))``. One permutation r is
    drawn for a batch.
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
        order = torch.randperm(min(self.hardest, size - 1), generator=self._generator)
        return mixed_nce_of(
            similarity,
            self.weighter.hardness(similarity.detach()),
            order.to(similarity.device),
            temperature=self.settings.temperature,
            positive_in_denominator=self.settings.positive_in_denominator,
        )

    def row_losses(self, rows: Rows) -> Tensor:
        # The nodes that are not the anchor; one permutation for each block of anchors.
        order = torch.randperm(min(self.hardest, rows.inter.size(1) - 1), generator=self._generator)
        return mixed_nce_rows(
            rows,
            self.weighter.hardness(rows.inter.detach()),
            order.to(rows.inter.device),
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
    """Return the loss of `MixedNegatives`.

    Args:
        similarity: (B, B).
        hardness: (B, B).
        order: a permutation of the K hardest negatives (K,).
        temperature: what similarities are divided by.
        positive_in_denominator: whether the positive stands in the denominator too.

    Raises:
        ValueError: the batch is a single graph and the positive is left out of the denominator.

    >>> similarity = torch.eye(3)
    >>> loss = mixed_nce_of(
    ...     similarity, torch.ones(3, 3), torch.tensor([1, 0]), temperature=1.0
    ... )
    >>> round(float(loss), 4)  # log(e + 4) - 1: two negatives and two mixed ones, all of 0
    0.9048
    """
    size = similarity.size(0)
    check_batch(size, positive_in_denominator)
    own = torch.eye(size, dtype=torch.bool, device=similarity.device)
    ranked = hardness.masked_fill(own, -torch.inf).sort(dim=1, descending=True, stable=True)
    h = ranked.values[:, : order.numel()]
    s = similarity.gather(1, ranked.indices[:, : order.numel()])
    mixed = (h * s + h[:, order] * s[:, order]) / (h + h[:, order] + 1e-12)
    scores = similarity / temperature
    plain = scores if positive_in_denominator else scores.masked_fill(own, -torch.inf)
    return (torch.cat([plain, mixed / temperature], dim=1).logsumexp(1) - scores.diagonal()).mean()
