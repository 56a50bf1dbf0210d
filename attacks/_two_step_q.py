"""The pieces of RL-S2V (Dai et al. 2018, arXiv 1806.02371): the decision process, its Q-network and
its replay memory.

An edit is picked in two halves: half 0 picks a node, half 1 its partner. Edits are counted down:
with r edits left, half 0 and half 1 follow, and then half 0 with r - 1 edits left.

Letters: G graphs, B graphs of a batch, N nodes of all graphs of a batch, D embedding, K edits of a
graph at the most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag
from torch_geometric.utils import scatter

from robust_augcl import registry
from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges
from robust_augcl.models.layers import linear
from robust_augcl.models.message_passing import NeighbourSum
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation


def best_allowed(values: Tensor, allowed: Tensor, graphs: PackedGraphs) -> tuple[Tensor, Tensor]:
    """The highest value among the allowed nodes of each graph, and that node, the first of equals.

    Shapes: values (N,), allowed (N,) bool -> (B,), (B,) node numbers within their graph. Every
    graph must allow a node.
    """
    # A diverged network (nan, inf) must still pick a node that is allowed.
    masked = torch.where(allowed, values.nan_to_num(), -torch.inf)
    best = scatter(masked, graphs.batch, dim_size=graphs.num_graphs, reduce="max")
    nodes = torch.arange(graphs.num_nodes, device=values.device)
    first = torch.where(allowed & (masked == best[graphs.batch]), nodes, graphs.num_nodes)
    return best, scatter(
        first, graphs.batch, dim_size=graphs.num_graphs, reduce="min"
    ) - graphs.ptr[:-1]


class State(NamedTuple):
    """Where B graphs stand: the edits made and, in half 1, the node picked.

    Args:
        graph: the clean graph's number in the space (B,).
        edits: pairs edited before, numbered within their graph, -1 where there is none yet (B, K,
            2).
        picked: the first node of the edit under way (B,), -1 in half 0.
    """

    graph: Tensor
    edits: Tensor
    picked: Tensor

    def pick(self, node: Tensor) -> State:
        """The state after half 0 picked `node` (B,)."""
        return self._replace(picked=node)

    def edit(self, partner: Tensor, edits_left: int) -> State:
        """The state after half 1 picked `partner` (B,), with `edits_left` edits left before it."""
        edits = self.edits.clone()
        # Graphs of smaller budgets join later, so that all graphs with as many edits left write the
        # same column.
        edits[:, edits.size(1) - edits_left] = torch.stack([self.picked, partner], dim=1)
        return State(self.graph, edits, torch.full_like(self.picked, -1))

    def take(self, rows: Tensor) -> State:
        """The states at `rows`, numbers or a mask."""
        return State(self.graph[rows], self.edits[rows], self.picked[rows])


@dataclass(frozen=True, eq=False)
class EditSpace:
    """The decision process over some graphs: what may be picked where, and what the picks make of a
    graph.

    The allowed partners of every node are listed once, so that a step of training looks them up
    instead of enumerating pairs.

    Args:
        graphs: the clean graphs.
        budgets: edits to make in each graph, never more than it has allowed pairs (G,).
        max_edits: K, the columns of a state's edits.
        partners: the allowed partners of every node, numbered within the graph, node after node
            (2M,) int32.
        first: the place of each node's first partner, and 2M at the end (N + 1,).
        deletes: whether editing a pair that is an edge removes it; else it changes nothing.
    """

    graphs: PackedGraphs
    budgets: Tensor
    max_edits: int
    partners: Tensor
    first: Tensor
    deletes: bool

    @classmethod
    def of(cls, graphs: PackedGraphs, threat: ThreatModel) -> EditSpace:
        """List what `threat` allows in `graphs`."""
        partners, counts, pairs = [], [], []
        cost = (graphs.sizes * (graphs.sizes - 1) // 2).cumsum(0)
        number = torch.div(cost, limits().listed_pairs, rounding_mode="floor")
        sizes = torch.unique_consecutive(number, return_counts=True)[1]
        for index in torch.arange(graphs.num_graphs, device=graphs.device).split(sizes.tolist()):
            part = graphs.select(index)
            candidates = threat.enumerate(part)
            ends = candidates.pairs + part.ptr[candidates.graph]
            order = torch.argsort(
                torch.cat([ends[0], ends[1]]) * part.num_nodes + torch.cat([ends[1], ends[0]])
            )
            partners.append(torch.cat([candidates.pairs[1], candidates.pairs[0]])[order].int())
            counts.append(torch.bincount(ends.flatten(), minlength=part.num_nodes))
            pairs.append(candidates.counts)
        degree = torch.cat(counts)
        budgets = torch.minimum(threat.budgets(graphs), torch.cat(pairs))
        return cls(
            graphs,
            budgets,
            int(budgets.max()) if len(budgets) else 0,
            torch.cat(partners),
            torch.cat([degree.new_zeros(1), degree.cumsum(0)]),
            "delete" in threat.operations,
        )

    def start(self, graph: Tensor) -> State:
        """The state of clean graphs (B,)."""
        return State(
            graph,
            graph.new_full((graph.numel(), self.max_edits, 2), -1),
            torch.full_like(graph, -1),
        )

    def realise(self, state: State) -> PackedGraphs:
        """The graphs of a state: the clean ones with the edits made."""
        clean = self.graphs.select(state.graph)
        row, column = (state.edits[:, :, 0] >= 0).nonzero(as_tuple=True)
        if row.numel() == 0:
            return clean
        return self._flip(clean, row, state.edits[row, column].T)

    def edited(self, graphs: PackedGraphs, state: State, partner: Tensor) -> PackedGraphs:
        """The graphs after half 1 picked `partner` (B,), from those of `state`, as `realise`
        returns them.
        """
        return self._flip(
            graphs,
            torch.arange(partner.numel(), device=partner.device),
            torch.stack([state.picked, partner]),
        )

    def _flip(self, graphs: PackedGraphs, row: Tensor, pairs: Tensor) -> PackedGraphs:
        if not self.deletes:  # "adding" an edge that exists changes nothing
            ends = pairs + graphs.ptr[row]
            missing = ~graphs.has_edges(ends[0], ends[1])
            row, pairs = row[missing], pairs[:, missing]
        return graphs.flip(row, pairs)

    def allowed(self, state: State, graphs: PackedGraphs, half: int) -> Tensor:
        """Which nodes may be picked next (N,) bool; `graphs` as `realise` returns them.

        In half 0 those with an allowed partner, in half 1 the allowed partners of the node picked.
        Pairs edited before are no more allowed.
        """
        made = (state.edits[:, :, 0] >= 0).nonzero(as_tuple=True)
        ends = state.edits[made] + graphs.ptr[made[0]].unsqueeze(1)
        if half == 0:
            nodes = ranges(self.graphs.ptr[state.graph], graphs.sizes)
            open_partners = self.first[nodes + 1] - self.first[nodes]
            open_partners -= torch.bincount(ends.flatten(), minlength=graphs.num_nodes)
            return open_partners > 0
        node = self.graphs.ptr[state.graph] + state.picked
        count = self.first[node + 1] - self.first[node]
        partner = self.partners[ranges(self.first[node], count)]
        mask = torch.zeros(graphs.num_nodes, dtype=torch.bool, device=graphs.device)
        mask[
            partner + torch.repeat_interleave(graphs.ptr[:-1], count, output_size=partner.numel())
        ] = True
        picked = (graphs.ptr[:-1] + state.picked)[made[0]]
        mask[ends[ends[:, 0] == picked, 1]] = False
        mask[ends[ends[:, 1] == picked, 0]] = False
        return mask

    def perturbations(self, state: State) -> list[Perturbation]:
        """The edits made as perturbations of the clean graphs, one for each row of `state`."""
        row, column = (state.edits[:, :, 0] >= 0).nonzero(as_tuple=True)
        pairs = state.edits[row, column].T.sort(0).values
        ends = pairs + self.graphs.ptr[state.graph[row]]
        remove = self.graphs.has_edges(ends[0], ends[1]) & self.deletes
        counts = torch.bincount(row, minlength=state.graph.numel()).tolist()
        parts = zip(pairs.cpu().split(counts, dim=1), remove.cpu().split(counts), strict=True)
        return [Perturbation(added=part[:, ~gone], removed=part[:, gone]) for part, gone in parts]


class Head(nn.Module):
    """[node state, graph state] -> D with relu -> 1.

    Args:
        width: D.
        generator: the source of the initial weights.
    """

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.hidden = linear(2 * width, width, generator)
        self.out = linear(width, 1, generator)

    def forward(self, nodes: Tensor, states: Tensor, owner: Tensor) -> Tensor:
        """Values (M,) of nodes (M, D) in the graphs `owner` (M,) of states (B, D)."""
        # The hidden layer is linear in [node, graph], so the graph's part is computed once a graph.
        of_node, of_graph = self.hidden.weight.split(nodes.size(1), dim=1)
        hidden = nodes @ of_node.T + (states @ of_graph.T + self.hidden.bias)[owner]
        values: Tensor = self.out(hidden.relu_()).squeeze(1)
        return values


class TwoStepQ(nn.Module):
    """The value of every node as the next pick: structure2vec on the graph with the picked node
    marked, and one head a step.

    As published, the node features are a one-hot mark (picked or not), and the two halves of an
    edit have a head each. The published attack makes one edit; here each number of edits left has
    its own two heads, since the process is finite.

    Sums over neighbours and over a graph's nodes are divided by `mean_degree` and `mean_size`. With
    1 for both, as published, five rounds of sums make states so large that the first values are in
    the tens, where rewards are 1, and learning begins when they have come down. Means of each node
    and graph would not do: without features, degrees and sizes are all that there is to see.

    Args:
        width: D, of embeddings and of the heads' hidden layer.
        rounds: of message passing.
        max_edits: K; states with more edits left share the heads of K.
        generator: the source of the initial weights.
        mean_degree, mean_size: what a usual node and a usual graph have; kept with the weights.
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
    ) -> None:
        super().__init__()
        encoder = registry.load("encoder", "structure2vec")
        self.encoder = encoder(in_features=2, width=width, layers=rounds, generator=generator)
        self.heads = nn.ModuleList([Head(width, generator) for _ in range(2 * max_edits)])
        self.register_buffer("mean_degree", torch.tensor(mean_degree))
        self.register_buffer("mean_size", torch.tensor(mean_size))

    @staticmethod
    def max_edits_of(state: Mapping[str, Tensor]) -> int:
        """K of the network that has this state."""
        return (
            sum(name.startswith("heads.") and name.endswith(".out.weight") for name in state) // 2
        )

    def head(self, edits_left: int, half: int) -> Head:
        """The head of one step."""
        return cast(Head, self.heads[min(2 * (edits_left - 1), len(self.heads) - 2) + half])

    def embed(self, graphs: PackedGraphs, picked: Tensor) -> tuple[Tensor, Tensor]:
        """Node states (N, D) and graph states (B, D); picked (B,), -1 for none."""
        encoder, neighbours, offsets = (
            self.encoder,
            graphs.edge_index[1].contiguous(),
            graphs.first_edge[:-1],
        )
        marked = (graphs.ptr[:-1] + picked)[picked >= 0]
        plain, mark = encoder.node_to_latent(
            torch.eye(2, device=graphs.device)
        )  # of nodes that are not picked, and that are
        first = torch.stack([plain, mark]).relu()
        weight, bias = encoder.conv.weight / self.mean_degree, plain + encoder.conv.bias
        # The first states are one of two, so their sums need but be counted: of neighbours that are
        # not picked, and that are.
        of_marked = torch.zeros_like(graphs.degree)
        of_marked[neighbours[ranges(offsets[marked], graphs.degree[marked])]] = 1
        counts = torch.stack([graphs.degree - of_marked, of_marked], dim=1).to(weight.dtype)
        states = self._next(counts, first @ weight.T, bias, marked, mark - plain)
        for _ in range(encoder.layers - 1):
            states = self._next(
                NeighbourSum.apply(states, neighbours, offsets),
                weight.T,
                bias,
                marked,
                mark - plain,
            )
        nodes = torch.arange(graphs.num_nodes, device=graphs.device)
        return states, embedding_bag(nodes, states, graphs.ptr[:-1], mode="sum") / self.mean_size

    @staticmethod
    def _next(sums: Tensor, weight: Tensor, bias: Tensor, marked: Tensor, mark: Tensor) -> Tensor:
        """relu(sums (N, .) weight (., D) + bias (D,)), with `mark` (D,) added at the nodes
        `marked`; the fewest passes over (N, D).
        """
        states = torch.addmm(bias, sums, weight)
        if marked.numel():
            states.index_add_(0, marked, mark.expand(marked.numel(), -1))
        return states.relu_()

    def forward(self, graphs: PackedGraphs, picked: Tensor, edits_left: int, half: int) -> Tensor:
        """The value of picking each node (N,)."""
        nodes, states = self.embed(graphs, picked)
        values: Tensor = self.head(edits_left, half)(nodes, states, graphs.batch)
        return values

    def of_action(
        self, graphs: PackedGraphs, picked: Tensor, node: Tensor, edits_left: int, half: int
    ) -> Tensor:
        """The value of picking one node a graph: node (B,) -> (B,)."""
        nodes, states = self.embed(graphs, picked)
        own = torch.arange(graphs.num_graphs, device=graphs.device)
        values: Tensor = self.head(edits_left, half)(nodes[graphs.ptr[:-1] + node], states, own)
        return values


class Transition(NamedTuple):
    """A step of B episodes: the state, the node picked (B,), and the reward (B,), 0 unless it is
    the last step.
    """

    state: State
    node: Tensor
    reward: Tensor


class Replay:
    """The last `capacity` transitions of one step of the process, in a ring.

    Args:
        capacity: how many are kept.
        max_edits: K.
        device: where they are kept.
    """

    def __init__(self, capacity: int, max_edits: int, device: torch.device) -> None:
        self.capacity, self.added = capacity, 0
        self._graph, self._picked, self._node = (
            torch.zeros(capacity, dtype=torch.int32, device=device) for _ in range(3)
        )
        self._edits = torch.zeros(capacity, max_edits, 2, dtype=torch.int32, device=device)
        self._reward = torch.zeros(capacity, device=device)

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, transition: Transition) -> None:
        """Store transitions over the oldest."""
        state, node, reward = transition
        size = node.numel()
        place = (self.added + torch.arange(size, device=node.device)) % self.capacity
        keep = slice(max(size - self.capacity, 0), None)
        for store, values in zip(
            (self._graph, self._edits, self._picked, self._node, self._reward),
            (*state, node, reward),
            strict=True,
        ):
            store[place[keep]] = values[keep].to(store.dtype)
        self.added += size

    def draw(self, size: int, generator: torch.Generator) -> Transition:
        """Draw transitions uniformly, with replacement."""
        place = torch.randint(len(self), (size,), generator=generator).to(self._reward.device)
        state = State(
            self._graph[place].long(), self._edits[place].long(), self._picked[place].long()
        )
        return Transition(state, self._node[place].long(), self._reward[place])
