"""A mixture of two beta distributions on (0, 1), fitted by EM (ProGCL, Xia et al. 2022, arXiv
2110.02027, section 3.2).

Letters: P values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TINY = 1e-12
POINT = 1e-8  # variance up to which a component is a single value


@dataclass(frozen=True)
class BetaMixture:
    """Parameters of the two components; component 0 is that of the lower similarities, the true
    negatives.

    Shapes: alphas, betas, shares (2,), float64.
    """

    alphas: Tensor
    betas: Tensor
    shares: Tensor

    @classmethod
    def start(cls, false_share: float) -> BetaMixture:
        """Where EM starts: Beta(1, 2) and Beta(2, 1), the second, of false negatives, with this
        share.
        """
        pair = torch.tensor([1.0, 2.0], dtype=torch.float64)
        return cls(
            pair, pair.flip(0), torch.tensor([1 - false_share, false_share], dtype=torch.float64)
        )

    def joint(self, values: Tensor) -> Tensor:
        """Share times density of each component: (P,) in (0, 1) -> (2, P)."""
        x = values.double().clamp(TINY, 1 - TINY)
        alphas, betas = self.alphas.unsqueeze(1), self.betas.unsqueeze(1)
        log_beta = torch.lgamma(alphas) + torch.lgamma(betas) - torch.lgamma(alphas + betas)
        log_density = (alphas - 1) * x.log() + (betas - 1) * (1 - x).log() - log_beta
        return self.shares.unsqueeze(1) * log_density.exp()

    def posterior(self, values: Tensor) -> Tensor:
        """Probability of component 0: any shape, values in [0, 1] -> the same shape, float64."""
        first, second = self.joint(values.flatten())
        return (first / (first + second + TINY)).reshape(values.shape)

    def fitted(self, values: Tensor, iterations: int) -> BetaMixture:
        """The mixture after EM from here: values (P,) in [0, 1].

        As in ProGCL's code: weighted likelihoods under 1e-12 are raised to it before normalising;
        the M step matches weighted moments; the second beta is kept above 1. EM stops where a
        component's moments fit no beta distribution, or where it has drawn together on a single
        value, whose density has no bound.
        """
        mixture, x = self, values.double().clamp(TINY, 1 - TINY)
        for _ in range(iterations):
            joint = mixture.joint(x).clamp(min=TINY)
            responsibility = joint / joint.sum(0)
            total = responsibility.sum(1)
            mean = (responsibility * x).sum(1) / total
            variance = (responsibility * (x - mean.unsqueeze(1)).square()).sum(1) / total
            alphas = mean * (mean * (1 - mean) / variance - 1)
            betas = alphas * (1 - mean) / mean
            betas[1] = 1.01 if betas[1] < 1 else betas[1]
            fits = (
                torch.isfinite(alphas)
                & torch.isfinite(betas)
                & (alphas > 0)
                & (betas > 0)
                & (variance > POINT)
            )
            if not bool(fits.all()):
                return mixture
            mixture = BetaMixture(alphas, betas, total / total.sum())
        return mixture
