"""A mixture of two beta distributions on (0, 1), fitted by EM.

Source: ProGCL (Xia et al. 2022, arXiv 2110.02027, section 3.2).

Letters: P values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TINY = 1e-12
"""What likelihoods are raised to, and how far values stay from 0 and 1."""
POINT = 1e-8
"""Up to this variance a component is a single value."""


@dataclass(frozen=True)
class BetaMixture:
    """The parameters of the two components.

    Component 0 is that of the lower similarities, the true negatives.

    Shapes: alphas, betas, shares (2,), float64.

    >>> mixture = BetaMixture.start(false_share=0.5)
    >>> mixture.posterior(torch.tensor([0.25, 0.75])).round(decimals=6).tolist()
    [0.75, 0.25]
    """

    alphas: Tensor
    betas: Tensor
    shares: Tensor

    @classmethod
    def start(cls, false_share: float) -> BetaMixture:
        """Return where EM starts: Beta(1, 2) and Beta(2, 1).

        The second is the component of the false negatives, and has the share `false_share`.
        """
        pair = torch.tensor([1.0, 2.0], dtype=torch.float64)
        return cls(
            pair, pair.flip(0), torch.tensor([1 - false_share, false_share], dtype=torch.float64)
        )

    def joint(self, values: Tensor) -> Tensor:
        """Return the share of each component times its density: (P,) in (0, 1) -> (2, P)."""
        x = values.double().clamp(TINY, 1 - TINY)
        alphas, betas = self.alphas.unsqueeze(1), self.betas.unsqueeze(1)
        log_beta = torch.lgamma(alphas) + torch.lgamma(betas) - torch.lgamma(alphas + betas)
        log_density = (alphas - 1) * x.log() + (betas - 1) * (1 - x).log() - log_beta
        return self.shares.unsqueeze(1) * log_density.exp()

    def posterior(self, values: Tensor) -> Tensor:
        """Return the probability of component 0.

        Shapes: values in [0, 1], of any shape -> the same shape, float64.
        """
        first, second = self.joint(values.flatten())
        return (first / (first + second + TINY)).reshape(values.shape)

    def fitted(self, values: Tensor, iterations: int) -> BetaMixture:
        """Return the mixture after EM from here, on values (P,) in [0, 1].

        As in ProGCL's code, weighted likelihoods under 1e-12 are raised to it before they are
        normalised, the M step matches weighted moments, and the second beta is kept above 1.

        EM stops where the moments of a component fit no beta distribution. It also stops where a
        component has drawn together on a single value, since its density has no bound there.
        """
        mixture, x = self, values.double().clamp(TINY, 1 - TINY)
        for _ in range(iterations):
            # The E step.
            joint = mixture.joint(x).clamp(min=TINY)
            responsibility = joint / joint.sum(0)
            total = responsibility.sum(1)
            # The M step, by weighted moments.
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
