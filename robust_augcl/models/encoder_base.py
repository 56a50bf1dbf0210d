"""What every encoder is: rounds of message passing, with a gradient for every edge.

Letters: N nodes in a batch, E directed edges, F input features, H width, D embedding, B graphs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.unfolding import UnfoldedBatch
from robust_augcl.models.relu_rounds import ReluRound


class Encoder(nn.Module, ABC):
    """A graph encoder that sums over neighbours.

    Every encoder promises three things, and the contract tests hold it to them. Numbering the nodes
    in another order changes nothing. In evaluation mode a batch equals its graphs one by one. An
    edge of weight 1 equals one without a weight, and an edge of weight 0 equals none.

    Args:
        in_features: F, at least 1.
        width: H, at least 1.
        layers: rounds of message passing, at least 1.
        generator: the source of the initial weights.

    >>> from robust_augcl import registry
    >>> chance = torch.Generator().manual_seed(0)
    >>> gin = registry.load("encoder", "gin")(in_features=1, width=4, layers=2, generator=chance)
    >>> edge, batch = torch.tensor([[0, 1], [1, 0]]), torch.zeros(3, dtype=torch.long)
    >>> nodes, graphs = gin(torch.ones(3, 1), edge, batch, num_graphs=1)
    >>> graphs.shape == (1, gin.embedding_size)
    True
    """

    revision: ClassVar[int] = 1
    """Raised when the code changes initial weights or what is computed (revisions.py)."""
    hops_before_first_round: int = 0
    """How far an edit reaches before the first round.

    In round l, an edited edge changes the states of nodes up to l - 1 + this many hops from its
    ends.
    """
    plain_sums: bool = False
    """Whether edge weights enter through `WeightedSum` alone, as they are given.

    Then the gradients of edges come from the states at their ends.
    """

    def __init__(
        self, *, in_features: int, width: int, layers: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.in_features, self.width, self.layers = in_features, width, layers
        self.build(generator)

    @abstractmethod
    def build(self, generator: torch.Generator) -> None:
        """Create the parameters, and draw initial weights from `generator` only."""

    @property
    @abstractmethod
    def embedding_size(self) -> int:
        """D, the size of a graph state."""

    @abstractmethod
    def first_states(self, x: Tensor) -> Tensor:
        """Return the states before the first round: (N, F) -> (N, H or F)."""

    @abstractmethod
    def round(
        self, index: int, states: Tensor, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None
    ) -> Tensor:
        """Make one round of message passing, where `index` is counted from 0.

        Shapes: states (N, H or F), x (N, F), edge_index (2, E), edge_weight (E,) or None -> (N, H).
        """

    @abstractmethod
    def pool(self, states: list[Tensor], batch: Tensor, num_graphs: int) -> tuple[Tensor, Tensor]:
        """Return the node states and the graph states from the states after each round.

        Shapes: each of `states` (N, H), batch (N,) -> (N, D), (B, D).
        """

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        batch: Tensor,
        num_graphs: int,
        edge_weight: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the node states (N, D) and the graph states (B, D).

        Shapes: x (N, F), edge_index (2, E), batch (N,), edge_weight (E,) or None.
        """
        states = [self.first_states(x)]
        for index in range(self.layers):
            states.append(self.round(index, states[-1], x, edge_index, edge_weight))
        return self.pool(states[1:], batch, num_graphs)

    def embed_unfolded(self, batch: UnfoldedBatch) -> Tensor | None:
        """Return the graph states (B, D) of a batch that is given as unfolding trees.

        They are those of `embed`. An encoder can do this if the state of a node depends on its
        unfolding tree alone; batch normalisation in training mode breaks that. An encoder that
        cannot do this returns None.
        """
        return None

    def embed(self, graphs: PackedGraphs) -> Tensor:
        """Return the states (B, D) of packed graphs, or of their target nodes."""
        nodes: Tensor
        states: Tensor
        nodes, states = self(graphs.x, graphs.edges, graphs.batch, graphs.num_graphs)
        return states if graphs.target_node is None else nodes[graphs.target_rows]


class LocalEncoder(Encoder):
    """An encoder that can be evaluated node by node.

    So the states that an edit changes can be computed without the others. In round l the new state
    of a node is update(l, the sum of what its neighbours send, ...), and a node sends
    message(l, its state, ...). The state of a graph is readout(the node states of the rounds in
    `summed_rounds`, concatenated and summed over the nodes). The states of nodes that `pool`
    returns are those of these rounds, concatenated.

    In evaluation mode this must agree with `forward`; the contract tests compare them.
    `hops_before_first_round` is 1 if messages depend on degrees, else 0.

    >>> from robust_augcl import registry
    >>> issubclass(registry.load("encoder", "gcn"), LocalEncoder)
    True
    """

    self_loops: ClassVar[bool] = False
    """Whether a node is among its own neighbours."""
    reads_features: ClassVar[bool] = True
    """Whether `update` looks at the features: if not, they are not looked up for it."""

    @property
    def summed_rounds(self) -> tuple[int, ...]:
        """The rounds whose node states make up the graph state, from 1 to `layers`.

        By default this is the last round alone.
        """
        return (self.layers,)

    @abstractmethod
    def message(self, index: int, states: Tensor, degree: Tensor) -> Tensor:
        """Return what nodes send in the round `index`, counted from 0.

        Shapes: states (N, H or F), degree (N,) without self-loops -> (N, H).
        """

    @abstractmethod
    def update(self, index: int, pooled: Tensor, x: Tensor, degree: Tensor) -> Tensor:
        """Return the states after the round `index`, counted from 0.

        Shapes: pooled, the sums of messages (N, H), x (N, F), degree (N,) -> (N, H).
        """

    def relu_rounds(self, x: Tensor) -> list[ReluRound] | None:
        """Return the rounds as matrices and relu, in evaluation mode, for nodes x (N, F).

        None where they are not of that form; then nothing is proved of more than two edits. The
        bounds of `oracle.bounds` need it. Whoever returns rounds promises that messages do not
        depend on degrees, and that `readout` leaves the sums of states as they are.

        Shapes: x (N, F). The first states are `first_states(x)`.
        """
        return None

    def readout(self, sums: Tensor) -> Tensor:
        """Return the graph states from sums over the nodes: (B, H) -> (B, D)."""
        return sums
