"""The bases of contrastive learning: what the second view of a graph is.

GraphCL (You et al. 2020, arXiv 2010.13902) augments the graph. SimGRACE (Xia et al. 2022, arXiv
2202.03104) perturbs the encoder.

Letters: B graphs in a batch, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from robust_augcl.graphs.packed import PackedGraphs


@dataclass(frozen=True)
class PerturbedView:
    """The same graphs, to be seen by a perturbed encoder (SimGRACE, equations 1 and 2).

    Every tensor W of the encoder's parameters becomes W + strength * noise. The noise is normal,
    with W's own standard deviation. As in SimGRACE's code, the projection head is not perturbed,
    and no gradient goes through this view.

    Args:
        graphs: the graphs themselves.
        strength: the eta of the paper.
        seed: the seed of the noise. The same view always has the same noise.
    """

    graphs: PackedGraphs
    strength: float
    seed: int

    @torch.no_grad()
    def embed(self, model: nn.Module) -> Tensor:
        """Return the projections (B, D) by a perturbed copy of `model`.

        The model itself is not changed, and neither are its running statistics.
        """
        generator = torch.Generator().manual_seed(self.seed)
        replaced = {name: buffer.clone() for name, buffer in model.named_buffers()}
        for name, parameter in model.named_parameters():
            if name.startswith("encoder."):
                spread = parameter.std() if parameter.numel() > 1 else parameter.new_zeros(())
                noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
                noise = noise.to(parameter.device)
                # Equations 1 and 2: W' = W + eta * noise, whose deviation is that of W.
                replaced[name] = parameter + self.strength * spread * noise
        out: Tensor = functional_call(model, replaced, (self.graphs,))
        return out


View = PackedGraphs | PerturbedView
"""The second view of a batch: augmented graphs, or the same graphs for a perturbed encoder."""


def embed_view(model: nn.Module, view: View) -> Tensor:
    """Return the projections of a view: (B, D)."""
    if isinstance(view, PerturbedView):
        return view.embed(model)
    out: Tensor = model(view)
    return out
