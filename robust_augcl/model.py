"""A graph classifier: an encoder and a head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robust_augcl.encoder import Encoder, mlp
from robust_augcl.graphs import PackedGraphs


class GraphClassifier(nn.Module):
    """An encoder and a classifier head on its graph states, D - hidden - C with relu.

    Args:
        encoder: embeds graphs into (B, D).
        num_classes: C, at least 2.
        hidden: the head's hidden width.
        generator: the source of the head's initial weights.
    """

    def __init__(self, encoder: Encoder, *, num_classes: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = encoder
        self.num_classes = num_classes
        self.head = mlp([encoder.embedding_size, hidden, num_classes], generator)

    def forward(self, graphs: PackedGraphs, edge_weight: Tensor | None = None) -> Tensor:
        """Logits (B, C) of packed graphs; edge_weight (E,) or None."""
        _, states = self.encoder(graphs.x, graphs.edge_index, graphs.batch, graphs.num_graphs, edge_weight)
        logits: Tensor = self.head(states)
        return logits
