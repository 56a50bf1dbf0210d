"""Your own weighting of negatives, beside GraphCL and AUGCL in one suite.

    python own_weighting.py     # or: robust-augcl run own_weighting.toml

The suite lies beside this file. It names the method below as `own_weighting.py:Near`.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

import robust_augcl as ra
from robust_augcl.contrast.method_base import Method
from robust_augcl.contrast.weighting import HardnessWeighter, Weights


class NearWeighter(HardnessWeighter):
    """The weight of a negative is exp(strength * its similarity to the anchor)."""

    def __init__(self, strength):
        self.strength = strength

    def weigh(self, z1, z2, similarity):
        weight = (self.strength * similarity).exp().fill_diagonal_(1.0)
        none = torch.zeros(len(weight), dtype=torch.bool, device=weight.device)
        return Weights(weight, collapsed=none, refused=none)


@dataclass(frozen=True)
class Near(Method):
    """InfoNCE in which near negatives count more.

    Args:
        strength: by how much, at least 0.
    """

    display_name = "Near negatives"
    rivals = ("augcl",)

    strength: float = 1.0

    def weighter(self, embedding_size, generator, device):
        return NearWeighter(self.strength)


if __name__ == "__main__":
    campaign = ra.Campaign(ra.load_suite(str(Path(__file__).with_suffix(".toml"))))
    campaign.run()
    print(ra.open_run(campaign.folder.path))
