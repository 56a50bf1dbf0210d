"""AUGCL on two noisy clusters: views of them, and what weighs their negatives."""

from __future__ import annotations

import torch
from generators import seeded

from robust_augcl.contrast.augcl.estimators import AffinitySettings, AffinityUncertainty


def views_of(scale=1.0, size=24, noise=0.4):
    """Passes over three batches of two noisy clusters."""
    generator = seeded(0)
    centres = torch.randn(2, 6, generator=generator)
    anchors = [
        centres[torch.arange(size) % 2] + noise * torch.randn(size, 6, generator=generator)
        for _ in range(3)
    ]

    def views():
        for z in anchors:
            yield scale * z, scale * (z + 0.2 * torch.randn(size, 6, generator=generator))

    return views


def weighter(**settings):
    return AffinityUncertainty(
        6,
        AffinitySettings(**{"hidden": 16, "passes": 12, "pairs_a_batch": 256, **settings}),
        seeded(1),
    )
