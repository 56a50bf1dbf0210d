"""Random generators."""

from __future__ import annotations

import torch


def seeded(seed: int) -> torch.Generator:
    """A generator at the start of a seed's draws."""
    return torch.Generator().manual_seed(seed)
