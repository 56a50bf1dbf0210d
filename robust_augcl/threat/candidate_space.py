"""The space of candidates: how many there are, some of them, those at a node, or all.

Only `list` writes every candidate down. The other questions take memory for nodes and edges, and
for the answer, but not for every pair of nodes: 2,708 nodes have 3.7 million pairs.

Letters: G graphs, N nodes of all graphs, M candidates that an answer holds.

How the candidate of a given rank is found. The candidates of a graph are numbered in the order of
the list: by their smaller node i, then by their greater node j. Each node i has a *row*, its
candidates (i, j). The nodes that j may be (later than i, and in the same component where that is
asked for) stand in one run of *places*. Where edges are left out, the row is that run without the
places of some neighbours::

    places after i:   0   1   2   3   4   5
    neighbours:           x       x             before them, 1 and 2 other nodes
    number in row:    0       1       2   3

Number 1 has one neighbour before it, since 1 neighbour has at most 1 other node before it. So its
place is 1 + 1 = 2. Number 2 has two neighbours before it: its place is 2 + 2 = 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges
from robust_augcl.threat.candidates import Candidates


@dataclass(frozen=True, eq=False)
class CandidateSpace:
    """The candidates of many graphs, which can be asked about without listing them.

    Args:
        graphs: G graphs.
        edges: whether pairs that are edges are candidates.
        others: whether pairs that are no edges are.
        within_component: whether both nodes of a pair lie in one connected component.
        deletes: what an edge among the candidates means, as in `Candidates`.

    >>> import torch
    >>> from torch_geometric.data import Data
    >>> from robust_augcl.threat.model import ThreatModel
    >>> path = Data(x=torch.ones(4, 1), edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]))
    >>> space = ThreatModel(operations=("add",)).space(PackedGraphs.from_data_list([path]))
    >>> space.counts.tolist()
    [4]
    >>> space.list().pairs.T.tolist()
    [[0, 2], [0, 3], [1, 3], [2, 3]]
    >>> space.at(0, 3).pairs.T.tolist()
    [[0, 3], [1, 3], [2, 3]]
    >>> len(space.draw(2, torch.Generator().manual_seed(0)))
    2
    """

    graphs: PackedGraphs
    edges: bool
    others: bool
    within_component: bool
    deletes: bool

    @cached_property
    def counts(self) -> Tensor:
        """Candidates of each graph (G,), exactly."""
        return self._first_of_row[self.graphs.ptr].diff()

    def draw(self, number: int | Tensor, generator: torch.Generator) -> Candidates:
        """Draw candidates of each graph, uniformly and each at most once, in the list's order.

        Args:
            number: candidates a graph, one number for all or one for each (G,). A graph that has
                fewer gives all.
            generator: the source of all chance, on the CPU.

        Raises:
            ValueError: a negative number.
        """
        counts = self.counts.cpu()
        wanted = torch.as_tensor(number).cpu().expand_as(counts)
        if bool((wanted < 0).any()):
            raise ValueError(f"Expected `number` to be at least 0, got {int(wanted.min())}")
        firsts = self._first_of_row[self.graphs.ptr[:-1]].tolist()
        ranks = [
            first + _distinct(count, min(count, share), generator)
            for first, count, share in zip(firsts, counts.tolist(), wanted.tolist(), strict=True)
        ]
        none = torch.zeros(0, dtype=torch.long)
        return self._of_rank(torch.cat([none, *ranks]).to(self.graphs.device))

    def at(self, graph: int, node: int) -> Candidates:
        """The candidates of one graph at one of its nodes, in the list's order.

        Raises:
            IndexError: no such graph, or no such node in it.
        """
        graphs = self.graphs
        if not 0 <= graph < graphs.num_graphs:
            raise IndexError(f"Expected a graph number below {graphs.num_graphs}, got {graph}")
        first, size = int(graphs.ptr[graph]), int(graphs.sizes[graph])
        if not 0 <= node < size:
            raise IndexError(f"Expected a node number below {size}, got {node}")
        partners = torch.arange(size, device=graphs.device)
        partners = partners[partners != node] + first
        own = torch.full_like(partners, node + first)
        pairs = torch.stack([torch.minimum(own, partners), torch.maximum(own, partners)])
        return self._allowed(*pairs)

    def list(self) -> Candidates:
        """Every candidate, by graph, then by its smaller node, then by its greater one."""
        graphs = self.graphs
        nodes = torch.arange(graphs.num_nodes, device=graphs.device)
        partners = graphs.ptr[1:][graphs.batch] - nodes - 1
        return self._allowed(torch.repeat_interleave(nodes, partners), ranges(nodes + 1, partners))

    def _allowed(self, source: Tensor, target: Tensor) -> Candidates:
        """Those of the pairs, numbered over all graphs, that are candidates."""
        graphs = self.graphs
        exists = graphs.has_edges(source, target)
        keep = torch.ones_like(exists)
        if not self.others:
            keep &= exists
        elif not self.edges:
            keep &= ~exists
        if self.within_component:  # an existing edge is always inside one
            keep &= graphs.components[source] == graphs.components[target]
        return self._candidates(source[keep], target[keep], exists[keep])

    def _candidates(self, source: Tensor, target: Tensor, exists: Tensor) -> Candidates:
        graph = self.graphs.batch[source]
        pairs = torch.stack([source, target]) - self.graphs.ptr[graph]
        return Candidates(graph, pairs, exists, self.graphs.num_graphs, self.deletes)

    # --- rows and ranks ---------------------------------------------------------------------------

    @cached_property
    def _order(self) -> Tensor:
        """The nodes by graph, component (where that counts) and number (N,): node of each place."""
        if self.within_component:
            return self.graphs.components.sort(stable=True).indices
        return torch.arange(self.graphs.num_nodes, device=self.graphs.device)

    @cached_property
    def _place(self) -> Tensor:
        """The place of each node in that order (N,)."""
        places = torch.arange(self._order.numel(), device=self._order.device)
        return torch.empty_like(self._order).index_copy(0, self._order, places)

    @cached_property
    def _later_edges(self) -> Tensor:
        """Each undirected edge from its smaller node to its greater one, in the list's order."""
        edges = self.graphs.edge_index
        return edges[:, edges[0] < edges[1]]

    @cached_property
    def _first_later_edge(self) -> Tensor:
        """The first of these edges of each node, and their number at the end (N + 1,)."""
        counts = torch.bincount(self._later_edges[0], minlength=self.graphs.num_nodes)
        return torch.cat([counts.new_zeros(1), counts.cumsum(0)])

    @cached_property
    def _first_of_row(self) -> Tensor:
        """The rank of the first candidate of each node's row, and their number at the end."""
        neighbours = self._first_later_edge.diff()
        if self.others:
            group = self.graphs.components if self.within_component else self.graphs.batch
            last = torch.bincount(group).cumsum(0)[group]  # groups are numbered as they are placed
            counts = last - self._place - 1 - (0 if self.edges else neighbours)
        else:
            counts = neighbours
        return torch.cat([counts.new_zeros(1), counts.cumsum(0)])

    def _of_rank(self, ranks: Tensor) -> Candidates:
        """The candidates at ranks (M,) of the list over all graphs."""
        first = self._first_of_row
        source = torch.searchsorted(first, ranks, right=True) - 1
        number = ranks - first[source]
        if not self.others:
            target = self._later_edges[1, self._first_later_edge[source] + number]
            return self._candidates(source, target, torch.ones_like(source, dtype=torch.bool))
        if not self.edges:
            number = number + self._neighbours_before(source, number)
        target = self._order[self._place[source] + 1 + number]
        return self._candidates(source, target, self.graphs.has_edges(source, target))

    def _neighbours_before(self, source: Tensor, number: Tensor) -> Tensor:
        """How many neighbours stand before the candidate of a number in its row (M,)."""
        node, neighbour = self._later_edges
        own = torch.arange(node.numel(), device=node.device) - self._first_later_edge[node]
        others_before = self._place[neighbour] - self._place[node] - 1 - own
        # One sorted list for all rows: rows ascend, and so do the numbers within a row.
        rows = node * self.graphs.num_nodes + others_before
        asked = source * self.graphs.num_nodes + number
        return torch.searchsorted(rows, asked, right=True) - self._first_later_edge[source]


def _distinct(count: int, number: int, generator: torch.Generator) -> Tensor:
    """Draw `number` different ones of 0 ... count - 1, uniformly, in ascending order."""
    if 2 * number >= count:
        return torch.randperm(count, generator=generator)[:number].sort().values
    drawn = torch.zeros(0, dtype=torch.long)
    # Draws one after the other, without those that came before, are a draw without replacement.
    while drawn.numel() < number:
        more = torch.randint(count, (2 * number,), generator=generator)
        drawn = _first_of_each(torch.cat([drawn, more]))
    return drawn[:number].sort().values


def _first_of_each(values: Tensor) -> Tensor:
    """The different values, in the order in which they come first."""
    order = values.sort(stable=True)
    first = torch.ones_like(values, dtype=torch.bool)
    first[order.indices[1:]] = order.values.diff() != 0
    return values[first]
