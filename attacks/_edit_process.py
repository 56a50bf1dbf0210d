"""The decision process of RL-S2V: an edit is picked in two halves, its node and its partner.

Source: Dai et al. 2018 (arXiv 1806.02371, section 3). Half 0 picks a node, half 1 its partner.
Edits are counted down: with r edits left, half 0 and half 1 follow, and then half 0 with r - 1
edits left.

Letters: G graphs, B graphs of a batch, N nodes of all graphs of a batch, M allowed pairs, K edits
of a graph at the most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.utils import scatter

from robust_augcl.errors import InputError
from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges, take
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

_MOST_PAIRS = 20_000_000
"""Pairs of nodes that are listed of one graph for all of its targets: 1 GiB."""


def _small(targets: NodeTargets) -> PackedGraphs:
    """Copies of one small graph, one a target.

    Raises:
        InputError: they are too large.
    """
    size = targets.graph.num_nodes
    if targets.num_graphs * size * (size - 1) // 2 > _MOST_PAIRS:
        raise InputError(
            f"Expected small graphs for RL-S2V, which lists every pair of nodes for each target, "
            f"got {targets.num_graphs} targets in a graph of {size} nodes: attack fewer ones, or "
            "use `beam` or `grad_argmax`"
        )
    return targets.copies


class State(NamedTuple):
    """Where B graphs stand: the edits made and, in half 1, the node picked.

    Args:
        graph: the clean graph's number in the space (B,).
        edits: the pairs edited before, numbered within their graph (B, K, 2). -1 stands where there
            is none yet.
        picked: the first node of the edit under way (B,), -1 in half 0.
    """

    graph: Tensor
    edits: Tensor
    picked: Tensor

    def pick(self, node: Tensor) -> State:
        """Return the state after half 0 picked `node` (B,)."""
        return self._replace(picked=node)

    def edit(self, partner: Tensor, edits_left: int) -> State:
        """Return the state after half 1 picked `partner` (B,).

        `edits_left` counts the edits left before it.
        """
        edits = self.edits.clone()
        # Graphs of smaller budgets join later. So all graphs with as many edits left write the same
        # column.
        edits[:, edits.size(1) - edits_left] = torch.stack([self.picked, partner], dim=1)
        return State(self.graph, edits, torch.full_like(self.picked, -1))

    def take(self, rows: Tensor) -> State:
        """Return the states at `rows`, which are numbers or a mask."""
        return State(self.graph[rows], self.edits[rows], self.picked[rows])


@dataclass(frozen=True, eq=False)
class EditSpace:
    """The decision process over some graphs: what may be picked, and what picks make of a graph.

    The allowed partners of every node are listed once, so that a step of training looks them up and
    does not list pairs again.

    Args:
        graphs: the clean graphs.
        budgets: how many edits to make in each graph (G,), never more than it has allowed pairs.
        max_edits: K, the columns of a state's edits.
        partners: the allowed partners of every node, numbered within the graph, node after node
            (2M,) int32.
        first: the place of each node's first partner, and 2M at the end (N + 1,).
        deletes: whether editing a pair that is an edge removes it. If not, it changes nothing.
    """

    graphs: PackedGraphs
    budgets: Tensor
    max_edits: int
    partners: Tensor
    first: Tensor
    deletes: bool

    @classmethod
    def of(cls, graphs: PackedGraphs, threat: ThreatModel) -> EditSpace:
        """List what `threat` allows in `graphs`.

        Raises:
            InputError: target nodes of one large graph, whose pairs are too many to be listed.
        """
        if isinstance(graphs, NodeTargets):
            graphs = _small(graphs)
        partners, degrees, pairs = [], [], []
        cost = (graphs.sizes * (graphs.sizes - 1) // 2).cumsum(0)
        number = torch.div(cost, limits().listed_pairs, rounding_mode="floor")
        sizes = torch.unique_consecutive(number, return_counts=True)[1]
        for index in torch.arange(graphs.num_graphs, device=graphs.device).split(sizes.tolist()):
            part = graphs.select(index)
            candidates = threat.enumerate(part)
            ends = candidates.pairs + part.ptr[candidates.graph]
            # Each pair counts twice: its first node has the second as partner, and vice versa.
            node, partner = torch.cat([ends[0], ends[1]]), torch.cat([ends[1], ends[0]])
            order = torch.argsort(node * part.num_nodes + partner)
            partners.append(torch.cat([candidates.pairs[1], candidates.pairs[0]])[order].int())
            degrees.append(torch.bincount(ends.flatten(), minlength=part.num_nodes))
            pairs.append(candidates.counts)
        degree = torch.cat(degrees)
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
        """Return the state of clean graphs (B,)."""
        return State(
            graph,
            graph.new_full((graph.numel(), self.max_edits, 2), -1),
            torch.full_like(graph, -1),
        )

    def realise(self, state: State) -> PackedGraphs:
        """Return the graphs of a state: the clean ones with the edits made."""
        clean = self.graphs.select(state.graph)
        row, column = (state.edits[:, :, 0] >= 0).nonzero(as_tuple=True)
        if row.numel() == 0:
            return clean
        return self._flip(clean, row, state.edits[row, column].T)

    def edited(self, graphs: PackedGraphs, state: State, partner: Tensor) -> PackedGraphs:
        """Return the graphs after half 1 picked `partner` (B,).

        `graphs` are those of `state`, as `realise` returns them.
        """
        row = torch.arange(partner.numel(), device=partner.device)
        return self._flip(graphs, row, torch.stack([state.picked, partner]))

    def _flip(self, graphs: PackedGraphs, row: Tensor, pairs: Tensor) -> PackedGraphs:
        """Flip the pairs (2, R) of the graphs `row` (R,), except where an edit changes nothing."""
        if not self.deletes:  # "adding" an edge that exists changes nothing
            ends = pairs + graphs.ptr[row]
            missing = ~graphs.has_edges(ends[0], ends[1])
            row, pairs = row[missing], pairs[:, missing]
        return graphs.flip(row, pairs)

    def allowed(self, state: State, graphs: PackedGraphs, half: int) -> Tensor:
        """Return which nodes may be picked next (N,) bool.

        In half 0 these are the nodes with an allowed partner. In half 1 they are the allowed
        partners of the node picked. Pairs edited before are not allowed again. `graphs` are those
        of `state`, as `realise` returns them.
        """
        made = (state.edits[:, :, 0] >= 0).nonzero(as_tuple=True)
        ends = state.edits[made] + graphs.ptr[made[0]].unsqueeze(1)
        if half == 0:
            nodes = ranges(self.graphs.ptr[state.graph], graphs.sizes)
            open_partners = take(self.first, nodes + 1) - take(self.first, nodes)
            open_partners -= torch.bincount(ends.flatten(), minlength=graphs.num_nodes)
            return open_partners > 0
        node = self.graphs.ptr[state.graph] + state.picked
        count = self.first[node + 1] - self.first[node]
        partner = take(self.partners, ranges(self.first[node], count))
        offset = torch.repeat_interleave(graphs.ptr[:-1], count, output_size=partner.numel())
        mask = torch.zeros(graphs.num_nodes, dtype=torch.bool, device=graphs.device)
        mask[partner + offset] = True
        # Partners that the node picked has been paired with before.
        picked = (graphs.ptr[:-1] + state.picked)[made[0]]
        mask[ends[ends[:, 0] == picked, 1]] = False
        mask[ends[ends[:, 1] == picked, 0]] = False
        return mask

    def perturbations(self, state: State) -> list[Perturbation]:
        """Return the edits made as perturbations of the clean graphs, one for each row."""
        row, column = (state.edits[:, :, 0] >= 0).nonzero(as_tuple=True)
        pairs = state.edits[row, column].T.sort(0).values
        ends = pairs + self.graphs.ptr[state.graph[row]]
        remove = self.graphs.has_edges(ends[0], ends[1]) & self.deletes
        counts = torch.bincount(row, minlength=state.graph.numel()).tolist()
        parts = zip(pairs.cpu().split(counts, dim=1), remove.cpu().split(counts), strict=True)
        return [Perturbation(added=part[:, ~gone], removed=part[:, gone]) for part, gone in parts]


def best_allowed(values: Tensor, allowed: Tensor, graphs: PackedGraphs) -> tuple[Tensor, Tensor]:
    """Return the highest value among the allowed nodes of each graph, and that node.

    Of equal nodes the first is taken. Every graph must allow a node. Nodes are numbered within
    their graph.

    Shapes: values (N,), allowed (N,) bool -> (B,), (B,).
    """
    # A diverged network (nan, inf) must still pick a node that is allowed.
    masked = torch.where(allowed, values.nan_to_num(), -torch.inf)
    best = scatter(masked, graphs.batch, dim_size=graphs.num_graphs, reduce="max")
    nodes = torch.arange(graphs.num_nodes, device=values.device)
    first = torch.where(allowed & (masked == take(best, graphs.batch)), nodes, graphs.num_nodes)
    node = scatter(first, graphs.batch, dim_size=graphs.num_graphs, reduce="min")
    return best, node - graphs.ptr[:-1]


def highest_allowed(keys: Tensor, allowed: Tensor, graphs: PackedGraphs, count: int) -> Tensor:
    """Return the `count` allowed nodes of the highest keys in each graph, the highest first.

    -1 stands where fewer are allowed. Nodes are numbered within their graph; of equal ones the
    first is taken.

    Shapes: keys (N,), allowed (N,) bool -> (B, count).
    """
    if count == 1:
        return best_allowed(keys, allowed, graphs)[1].unsqueeze(1)
    masked = torch.where(allowed, keys.nan_to_num(), -torch.inf)
    # A row a graph, as long as the largest graph or as what is asked for.
    columns = max(int(graphs.sizes.max()), count)
    nodes = torch.arange(graphs.num_nodes, device=keys.device)
    place = nodes - take(graphs.ptr, graphs.batch)
    rows = masked.new_full((graphs.num_graphs, columns), -torch.inf)
    rows[graphs.batch, place] = masked
    nodes = torch.argsort(rows, dim=1, descending=True, stable=True)[:, :count]
    column = torch.arange(count, device=keys.device)
    open_nodes = torch.bincount(graphs.batch[allowed], minlength=graphs.num_graphs)
    return torch.where(column < open_nodes.unsqueeze(1), nodes, -1)
