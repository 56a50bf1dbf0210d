"""What every encoder is: layers that can be run one by one, with a gradient for every edge.

Letters: N nodes in a batch, E directed edges, F input features, H width, D embedding, B graphs.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag
from torch_geometric import EdgeIndex
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import scatter

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.unfolding import UnfoldedBatch


class NeighbourSum(torch.autograd.Function):
    """The sum of the neighbours' states (N, H). Undirected edges make it its own gradient, so
    neither way scatters.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, neighbours: Tensor, offsets: Tensor) -> Tensor:
        """Neighbours (E,) node after node, those of each from its offset (N,) on."""
        ctx.edges = neighbours, offsets
        return embedding_bag(neighbours, states, offsets, mode="sum")

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        neighbours, offsets = ctx.edges
        return embedding_bag(neighbours, gradients[0].contiguous(), offsets, mode="sum"), None, None


class WeightedSum(MessagePassing):
    """Sum over the neighbours, each times its edge's weight: weight 0 is the edge's absence, no
    weights are all 1.

    Without weights, edges that are known to be undirected and sorted by source, as an `EdgeIndex`
    tells, are summed node by node, several times as fast as they are scattered.

    Shapes: x (N, H), edge_index (2, E), edge_weight (E,) or None -> (N, H).
    """

    def __init__(self) -> None:
        super().__init__(aggr="sum")

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        if (
            edge_weight is None
            and isinstance(edge_index, EdgeIndex)
            and edge_index.is_undirected
            and edge_index.is_sorted_by_row
        ):
            (first_edge, neighbours), _ = edge_index.get_csr()
            return NeighbourSum.apply(x, neighbours, first_edge[:-1])
        out: Tensor = self.propagate(edge_index, x=x, edge_weight=edge_weight)
        return out

    def message(self, x_j: Tensor, edge_weight: Tensor | None) -> Tensor:
        return x_j if edge_weight is None else x_j * edge_weight.unsqueeze(-1)


def sum_pool(node_states: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
    """Sum the node states of each graph: (N, H), (N,) -> (B, H)."""
    out: Tensor = scatter(node_states, batch, dim=0, dim_size=num_graphs, reduce="sum")
    return out


class Encoder(nn.Module, ABC):
    """A graph encoder with sum aggregation.

    What it promises, and the contract tests hold it to: permutation invariance; in evaluation mode
    a batch equals its graphs one by one; an edge of weight 1 equals no weight, one of weight 0
    equals its absence.

    Args:
        in_features: F, at least 1.
        width: H, at least 1.
        layers: rounds of message passing, at least 1.
        generator: the source of the initial weights.
    """

    revision: ClassVar[int] = 1
    """Raised when its code changes its initial weights or what it computes (revisions.py)."""
    hops_before_first_round: int = 0
    """Reach: an edit at an edge changes, in round l, the states of nodes up to l - 1 + this many
    hops from its ends.
    """
    plain_sums: bool = False
    """Edge weights enter through `WeightedSum` alone, as they are given: then gradients for edges
    come from the states at their ends.
    """

    def __init__(
        self, *, in_features: int, width: int, layers: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.in_features, self.width, self.layers = in_features, width, layers
        self.build(generator)

    @abstractmethod
    def build(self, generator: torch.Generator) -> None:
        """Create the parameters, drawing initial weights from `generator` only."""

    @property
    @abstractmethod
    def embedding_size(self) -> int:
        """D, the size of a graph state."""

    @abstractmethod
    def first_states(self, x: Tensor) -> Tensor:
        """States before the first round: (N, F) -> (N, H or F)."""

    @abstractmethod
    def round(
        self, index: int, states: Tensor, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None
    ) -> Tensor:
        """One round of message passing, `index` counted from 0: (N, .) -> (N, H)."""

    @abstractmethod
    def pool(self, states: list[Tensor], batch: Tensor, num_graphs: int) -> tuple[Tensor, Tensor]:
        """Node states (N, D) and graph states (B, D) from the states after each round."""

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        batch: Tensor,
        num_graphs: int,
        edge_weight: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return node states (N, D) and graph states (B, D).

        Shapes: x (N, F), edge_index (2, E), batch (N,), edge_weight (E,) or None.
        """
        states = [self.first_states(x)]
        for index in range(self.layers):
            states.append(self.round(index, states[-1], x, edge_index, edge_weight))
        return self.pool(states[1:], batch, num_graphs)

    def embed_unfolded(self, batch: UnfoldedBatch) -> Tensor | None:
        """Graph states (B, D) of a batch given as unfolding trees, the same as `embed`'s; None
        where an encoder cannot.

        It can if a node's state depends on its unfolding tree alone, which batch normalisation in
        training mode breaks.
        """
        return None

    def embed(self, graphs: PackedGraphs) -> Tensor:
        """Graph states (B, D) of packed graphs."""
        graph_states: Tensor = self(graphs.x, graphs.edges, graphs.batch, graphs.num_graphs)[1]
        return graph_states


class LocalEncoder(Encoder):
    """An encoder that can be evaluated node by node: then the states that an edit changes can be
    computed without the others.

    Round l of a node: update(l, the sum of what its neighbours send in round l, ...), where a node
    sends message(l, its state, ...). The state of a graph: readout(the node states of the rounds in
    `summed_rounds`, concatenated and summed over the nodes). In evaluation mode this must agree
    with `forward` (the contract tests compare them), and `hops_before_first_round` is 1 if messages
    depend on degrees, else 0.
    """

    self_loops: ClassVar[bool] = False
    """Whether a node is among its own neighbours."""

    @property
    def summed_rounds(self) -> tuple[int, ...]:
        """Rounds whose node states make up the graph state, from 1 to `layers`; by default the
        last.
        """
        return (self.layers,)

    @abstractmethod
    def message(self, index: int, states: Tensor, degree: Tensor) -> Tensor:
        """What nodes send in the round `index`, counted from 0: states (N, .), degree (N,) without
        self-loops -> (N, .).
        """

    @abstractmethod
    def update(self, index: int, pooled: Tensor, x: Tensor, degree: Tensor) -> Tensor:
        """States after the round `index` from sums of messages (N, .), features (N, F) and degrees
        (N,): -> (N, H).
        """

    def offset(self, index: int, x: Tensor) -> Tensor | None:
        """Where `update` is relu(pooled + offset), the offset (N, H), else None: bounds.py needs
        it.

        Then also: no self-loops, messages that are linear in the states and do not depend on
        degrees, the last round's states alone make up the graph state, and `readout` leaves sums
        that are not negative as they are.
        """
        return None

    def readout(self, sums: Tensor) -> Tensor:
        """Graph states from sums over nodes: (B, .) -> (B, D)."""
        return sums


Initialise = Callable[[nn.Linear, torch.Generator], None]


def glorot(layer: nn.Linear, generator: torch.Generator) -> None:
    """Glorot-uniform weights, zero bias."""
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    nn.init.zeros_(layer.bias)


def torch_default(layer: nn.Linear, generator: torch.Generator) -> None:
    """What `nn.Linear` does by itself: weights and bias uniform in +-1 / sqrt(inputs)."""
    bound = layer.in_features**-0.5
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def linear(
    inputs: int, outputs: int, generator: torch.Generator, initialise: Initialise = glorot
) -> nn.Linear:
    """A linear layer whose initial weights come from `generator`; the global random state is not
    touched.
    """
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)
    initialise(layer, generator)
    return layer


def mlp(
    sizes: list[int], generator: torch.Generator, initialise: Initialise = glorot
) -> nn.Sequential:
    """Linear layers of the given sizes with relu between them."""
    parts: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        parts += [linear(inputs, outputs, generator, initialise), nn.ReLU()]
    return nn.Sequential(*parts[:-1])
