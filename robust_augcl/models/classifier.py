"""A graph classifier: an encoder and a head."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import runs
from robust_augcl.graphs.unfolding import Unfolding
from robust_augcl.models.classifier_base import Capabilities, Classifier, LocalParts
from robust_augcl.models.encoder_base import Encoder, LocalEncoder
from robust_augcl.models.layers import mlp


class GraphClassifier(Classifier):
    """An encoder, and a head on its states: D - hidden - C with relu between them, or D - C.

    The head reads the states of the graphs, or those of their target nodes where there are any.

    Args:
        encoder: embeds graphs into (B, D).
        num_classes: C, at least 2.
        hidden: the hidden width of the head; 0 for a head of one linear layer.
        generator: the source of the head's initial weights.

    >>> from torch_geometric.data import Data
    >>> from robust_augcl.registry import load
    >>> edge = Data(
    ...     x=torch.ones(2, 1), edge_index=torch.tensor([[0, 1], [1, 0]]), y=torch.tensor([0])
    ... )
    >>> graphs = PackedGraphs.from_data_list([edge, edge])
    >>> generator = torch.Generator().manual_seed(0)
    >>> encoder = load("encoder", "gin")(in_features=1, width=4, layers=2, generator=generator)
    >>> model = GraphClassifier(encoder, num_classes=3, hidden=8, generator=generator)
    >>> model(graphs).shape
    torch.Size([2, 3])
    """

    def __init__(
        self, encoder: Encoder, *, num_classes: int, hidden: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.num_classes = num_classes
        sides = [hidden, num_classes] if hidden else [num_classes]
        self.head = mlp([encoder.embedding_size, *sides], generator)

    def forward(self, graphs: PackedGraphs, edge_weight: Tensor | None = None) -> Tensor:
        """Return the logits (B, C) of packed graphs; edge_weight (E,) or None."""
        if isinstance(graphs, NodeTargets) and edge_weight is None:
            return self._of_nodes(graphs)
        edges = graphs.edges if edge_weight is None else graphs.edge_index
        return self.with_edges(graphs, edges, edge_weight)

    def with_edges(
        self, graphs: PackedGraphs, edge_index: Tensor, edge_weight: Tensor | None
    ) -> Tensor:
        nodes, states = self.encoder(
            graphs.x, edge_index, graphs.batch, graphs.num_graphs, edge_weight
        )
        logits: Tensor = self.head(
            states if graphs.target_node is None else nodes[graphs.target_rows]
        )
        return logits

    def _of_nodes(self, targets: NodeTargets) -> Tensor:
        """The logits (B, C) of nodes of one graph: of those without edits by one evaluation."""
        edited = torch.zeros_like(targets.nodes, dtype=torch.bool)
        edited[targets.flips[0]] = True
        whole, some = (~edited).nonzero().squeeze(1), edited.nonzero().squeeze(1)
        pieces = [self(targets.select(whole).together)] if whole.numel() else []
        for number in runs((targets.sizes[some] * targets.graph.x.size(1), limits().ball_numbers)):
            pieces.append(self(self._apart(targets.select(some[number]))))
        if not pieces:
            return targets.graph.x.new_zeros(0, self.num_classes)
        order = torch.cat([whole, some])
        return torch.cat(pieces)[order.argsort()]

    def _apart(self, targets: NodeTargets) -> PackedGraphs:
        """Graphs of which each holds all that the logits of one target come from."""
        if self.training or not isinstance(self.encoder, LocalEncoder):
            return targets.copies  # what it takes from how far away is not known
        # The degree of a node that sends in the first round is that of its whole neighbourhood.
        return targets.around(self.encoder.layers + self.encoder.hops_before_first_round)

    @property
    def plain_sums(self) -> bool:
        return self.encoder.plain_sums

    @property
    def capabilities(self) -> Capabilities:
        local = isinstance(self.encoder, LocalEncoder)
        name = type(self.encoder).__name__
        reasons = {} if local else {"local": f"the encoder {name} is evaluated as a whole"}
        return Capabilities(local=local, reasons=reasons)

    @property
    def parts(self) -> LocalParts | None:
        if not isinstance(self.encoder, LocalEncoder):
            return None
        return LocalParts(self.encoder, self.head)

    def local_parts(self, graphs: PackedGraphs) -> LocalParts | None:
        if self.training or graphs.target_node is not None:
            return None
        if not isinstance(self.encoder, LocalEncoder):
            return None
        return LocalParts(self.encoder, self.head)

    def batched(self, graphs: PackedGraphs) -> Callable[[Tensor], Tensor]:
        """Return a function from numbers of graphs (B,) to their logits (B, C).

        What batches have in common is prepared once. Where the encoder can, nodes with the same
        unfolding tree are computed once a batch; target nodes are computed with all others.
        """
        of_trees = type(self.encoder).embed_unfolded is not Encoder.embed_unfolded
        if not of_trees or graphs.target_node is not None:
            return lambda index: self(graphs.select(index))
        unfolding = Unfolding(graphs, self.encoder.layers)
        return lambda index: self.head(self.encoder.embed_unfolded(unfolding.batch(index)))
