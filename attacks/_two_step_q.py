"""The Q-network of RL-S2V: the value of every node as the next pick.

Source: Dai et al. 2018 (arXiv 1806.02371, section 3).

Letters: B graphs of a batch, N nodes of all graphs of a batch, M nodes of those, A nodes of
each graph, D embedding, K edits of a graph at the most.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from robust_augcl import registry
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges, take
from robust_augcl.models.layers import linear
from robust_augcl.models.message_passing import NeighbourSum
from robust_augcl.models.products import apply_linear

States = tuple[Tensor, Tensor]
"""The states of nodes, and what is known of each graph."""


class Head(nn.Module):
    """Maps [node state, what is known of the graph] to D with relu, and to one value.

    Args:
        width: D.
        known: S, the size of what is known of the graph.
        generator: the source of the initial weights.
    """

    def __init__(self, width: int, known: int, generator: torch.Generator) -> None:
        super().__init__()
        self.hidden = linear(width + known, width, generator)
        self.out = linear(width, 1, generator)

    def forward(self, nodes: Tensor, states: Tensor, owner: Tensor) -> Tensor:
        """Return the values of nodes.

        Shapes: nodes (M, D), what is known of the graphs `states` (B, S), owner, the graph of each
        node (M,) -> (M,).
        """
        # The hidden layer is linear in [node, graph], so each graph's part is computed once.
        of_node, of_graph = self.hidden.weight.split([nodes.size(1), states.size(1)], dim=1)
        of_graphs = states @ of_graph.T + self.hidden.bias
        hidden = apply_linear(nodes, of_node) + take(of_graphs, owner)
        values: Tensor = self.out(hidden.relu_()).squeeze(1)
        return values


class TwoStepQ(nn.Module):
    """The value of every node as the next pick: structure2vec, and a head for each half of an edit.

    As published, the node features are a one-hot mark (picked or not), and the two halves of an
    edit have a head each. The published attack makes one edit. Here each number of edits left has
    its own two heads, since the process is finite.

    As published, the second pick sees the first one through its mark alone: at nodes within as many
    steps as there are rounds, and in the sum over the graph, one node of many. With `sees_picked`
    the heads of the second half also read the state of the node picked. Then the mark tells little
    more, and costs much: with it, every first pick changes the states of a graph. Without `marks`
    one pass over a graph serves both halves of an edit, whatever was picked first.

    Sums over neighbours and over a graph's nodes are divided by `mean_degree` and `mean_size`. Both
    are 1 as published. Then five rounds of sums make states so large that the first values are in
    the tens, where rewards are 1, and learning begins only when they have come down. The means of
    each node and graph would not do: without features, degrees and sizes are all there is to see.

    Args:
        width: D, of embeddings and of the heads' hidden layer.
        rounds: rounds of message passing.
        max_edits: K. States with more edits left share the heads of K.
        generator: the source of the initial weights.
        mean_degree: the degree of a usual node. It is kept with the weights.
        mean_size: the number of nodes of a usual graph. It is kept with the weights.
        sees_picked: whether the second half reads the state of the node picked.
        marks: whether the node picked is marked in the features.
    """

    mean_degree: Tensor
    mean_size: Tensor

    def __init__(
        self,
        *,
        width: int,
        rounds: int,
        max_edits: int,
        generator: torch.Generator,
        mean_degree: float = 1.0,
        mean_size: float = 1.0,
        sees_picked: bool = False,
        marks: bool = True,
    ) -> None:
        super().__init__()
        encoder = registry.load("encoder", "structure2vec")
        self.encoder = encoder(in_features=2, width=width, layers=rounds, generator=generator)
        self.sees_picked, self.marks = sees_picked, marks
        known = (width, 2 * width if sees_picked else width)
        heads = [Head(width, known[half], generator) for _ in range(max_edits) for half in range(2)]
        self.heads = nn.ModuleList(heads)
        self.register_buffer("mean_degree", torch.tensor(mean_degree))
        self.register_buffer("mean_size", torch.tensor(mean_size))

    @staticmethod
    def max_edits_of(state: Mapping[str, Tensor]) -> int:
        """Return K of the network that has these weights."""
        heads = [name for name in state if name.startswith("heads.")]
        return sum(name.endswith(".out.weight") for name in heads) // 2

    def head(self, edits_left: int, half: int) -> Head:
        """Return the head of one step."""
        return cast(Head, self.heads[min(2 * (edits_left - 1), len(self.heads) - 2) + half])

    def embed(self, graphs: PackedGraphs, picked: Tensor) -> States:
        """Return the node states (N, D) and the graph states (B, D).

        `picked` (B,) is the node picked, -1 for none.
        """
        encoder = self.encoder
        neighbours, offsets = graphs.edge_index[1].contiguous(), graphs.first_edge[:-1]
        marked = (graphs.ptr[:-1] + picked)[picked >= 0]
        # What features make of a node that is not picked, and of one that is.
        plain, mark = encoder.node_to_latent(torch.eye(2, device=graphs.device))
        first = torch.stack([plain, mark]).relu()
        weight, bias = encoder.conv.weight / self.mean_degree, plain + encoder.conv.bias
        # Every first state is one of these two. So, for the first sums, it is enough to count the
        # neighbours that are not picked and those that are.
        of_marked = torch.zeros_like(graphs.degree)
        of_marked[neighbours[ranges(offsets[marked], graphs.degree[marked])]] = 1
        counts = torch.stack([graphs.degree - of_marked, of_marked], dim=1).to(weight.dtype)
        states = self._next(counts, apply_linear(first, weight).T, bias, marked, mark - plain)
        for _ in range(encoder.layers - 1):
            sums = NeighbourSum.apply(states, neighbours, offsets)
            states = self._next(sums, weight, bias, marked, mark - plain)
        nodes = torch.arange(graphs.num_nodes, device=graphs.device)
        return states, embedding_bag(nodes, states, graphs.ptr[:-1], mode="sum") / self.mean_size

    @staticmethod
    def _next(sums: Tensor, weight: Tensor, bias: Tensor, marked: Tensor, mark: Tensor) -> Tensor:
        """Return relu(sums weight^T + bias); `mark` is added to `marked` nodes before the relu.

        It makes the fewest passes over memory. Shapes: sums (N, .), weight (D, .), bias (D,),
        marked (number of marked nodes,), mark (D,) -> (N, D).
        """
        states = apply_linear(sums, weight, bias)
        if marked.numel():
            states.index_add_(0, marked, mark.expand(marked.numel(), -1))
        return states.relu_()

    def shared_states(self, graphs: PackedGraphs) -> States | None:
        """Return the node states (N, D) and graph states (B, D) that serve both halves of an edit.

        None with `marks`: then each first pick makes other states.
        """
        return None if self.marks else self.embed(graphs, graphs.ptr.new_full((len(graphs),), -1))

    def forward(
        self,
        graphs: PackedGraphs,
        picked: Tensor,
        edits_left: int,
        half: int,
        shared: States | None = None,
    ) -> Tensor:
        """Return the value of picking each node (N,).

        `shared` are the `shared_states` of the graphs, where they are known.
        """
        nodes, states = self._known(graphs, picked, half, shared)
        values: Tensor = self.head(edits_left, half)(nodes, states, graphs.batch)
        return values

    def of_actions(
        self,
        graphs: PackedGraphs,
        picked: Tensor,
        nodes: Tensor,
        edits_left: int,
        half: int,
        shared: States | None = None,
    ) -> Tensor:
        """Return the values of picking some nodes of each graph: nodes (B, A) -> (B, A)."""
        states, of_graphs = self._known(graphs, picked, half, shared)
        owner = torch.arange(graphs.num_graphs, device=graphs.device).unsqueeze(1)
        places = (graphs.ptr[:-1].unsqueeze(1) + nodes).flatten()
        owners = owner.expand_as(nodes).flatten()
        values: Tensor = self.head(edits_left, half)(take(states, places), of_graphs, owners)
        return values.reshape(nodes.shape)

    def _known(
        self, graphs: PackedGraphs, picked: Tensor, half: int, shared: States | None
    ) -> States:
        """Return the node states (N, D), and what the heads of a half know of each graph (B, S)."""
        shared = self.shared_states(graphs) if shared is None else shared
        nodes, states = self.embed(graphs, picked) if shared is None else shared
        if half == 1 and self.sees_picked:
            states = torch.cat([states, nodes[graphs.ptr[:-1] + picked]], dim=1)
        return nodes, states
