"""Questions to a module that a user brings: about many graphs together, or one by one.

Letters: B graphs, E directed edges, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.adapter import Adapter
from robust_augcl.models.calling import call
from robust_augcl.models.message_weights import weighted_messages


@dataclass(frozen=True, eq=False)
class Asked:
    """A module, and how it is asked.

    Args:
        module: in evaluation mode.
        adapter: how it is called.
        weights: how edge weights reach it: by an "argument" of `forward`, or by the "messages" of
            its layers. None: not at all.
    """

    module: nn.Module
    adapter: Adapter
    weights: Literal["argument", "messages"] | None = "argument"

    def together(
        self, graphs: PackedGraphs, edge_index: Tensor, edge_weight: Tensor | None = None
    ) -> Tensor:
        """Logits (B, C) of packed graphs, in one call. Shapes: (2, E), (E,) or None."""
        if edge_weight is None or self.weights != "messages":
            return call(self.module, self.adapter, graphs, edge_index, edge_weight)
        with weighted_messages(self.module, edge_index, edge_weight):
            return call(self.module, self.adapter, graphs, edge_index)

    def one_by_one(
        self, graphs: PackedGraphs, edge_index: Tensor, edge_weight: Tensor | None = None
    ) -> Tensor:
        """The same, in a call for each graph."""
        owner = graphs.batch[edge_index[0]]
        order = owner.argsort(stable=True)
        counts = torch.bincount(owner, minlength=graphs.num_graphs).tolist()
        edges = (edge_index - graphs.ptr[owner])[:, order].split(counts, dim=1)
        weights = [None] * len(counts)
        if edge_weight is not None:
            weights = edge_weight[order].split(counts)
        numbers = torch.arange(graphs.num_graphs, device=graphs.device).split(1)
        return torch.cat(
            [
                self.together(graphs.select(number), own, weight)
                for number, own, weight in zip(numbers, edges, weights, strict=True)
            ]
        )
