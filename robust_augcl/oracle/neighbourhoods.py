"""Who is near whom in clean graphs: neighbours, distances, and the nodes that edits reach.

Letters: N nodes, M edits, R rows (an edit, and a node that it reaches), K neighbours of rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges, take
from robust_augcl.oracle.edits import Edits


class Reached(NamedTuple):
    """The nodes that edits reach in a round, one row for each edit and node.

    The first 2 M rows are the ends of the edits: all i, then all j. The other rows follow, edit by
    edit.

    Args:
        node, edit: of each row (R,), (R,).
        others: how many rows of each edit are not its ends (M,).
    """

    node: Tensor
    edit: Tensor
    others: Tensor


class _Ball(NamedTuple):
    """The nodes around each node up to a radius, without the node itself.

    Args:
        first: where the members around each node begin (N,).
        size: how many they are (N,).
        members: the nodes, for one centre after the other.
    """

    first: Tensor
    size: Tensor
    members: Tensor


class Distances(NamedTuple):
    """The distances inside graphs, up to the furthest reach of an edit.

    Args:
        reach: the greatest distance that is told.
        row: where the distances from each node begin, for all nodes of its graph in turn (N,).
        table: the distances, `reach` + 1 where a node is further away, int16.
        first: where the members around each node begin (N,).
        size: how many they are (N,).
        members: the other nodes up to `reach` around each node, numbered within the graph, int32.
    """

    reach: int
    row: Tensor
    table: Tensor
    first: Tensor
    size: Tensor
    members: Tensor

    @classmethod
    def inside(cls, graphs: PackedGraphs, reach: int) -> Distances:
        """Measure the distances inside each graph.

        >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> graphs = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
        >>> Distances.inside(graphs, 1).table.view(3, 3).tolist()
        [[0, 1, 2], [1, 0, 1], [2, 1, 0]]
        """
        size = graphs.sizes[graphs.batch]
        row = size.cumsum(0) - size
        place = row - graphs.ptr[graphs.batch]
        table = torch.full((int(size.sum()),), reach + 1, dtype=torch.int16, device=graphs.device)
        nodes = torch.arange(graphs.num_nodes, device=graphs.device)
        centre, found = nodes, nodes
        table[place + nodes] = 0
        for radius in range(1, reach + 1):
            count = graphs.degree[found]
            centre = torch.repeat_interleave(centre, count)
            beside = graphs.edge_index[1][ranges(graphs.first_edge[found], count)]
            near = place[centre] + beside
            table[near[table[near] > radius]] = radius
            at = (table == radius).nonzero().squeeze(1)
            centre = torch.searchsorted(row, at, right=True) - 1
            found = at - place[centre]
        inside = ((table <= reach) & (table > 0)).nonzero().squeeze(1)
        centre = torch.repeat_interleave(nodes, size, output_size=table.numel())[inside]
        count = torch.bincount(centre, minlength=graphs.num_nodes)
        members = (inside - row[centre]).int()
        return cls(reach, row, table, count.cumsum(0) - count, count, members)

    @classmethod
    def one_after_the_other(cls, parts: Sequence[Distances]) -> Distances:
        """Those of the graphs of all parts: one part at least, all of the same reach."""
        places = _starts([part.table for part in parts])
        members = _starts([part.members for part in parts])
        return cls(
            parts[0].reach,
            torch.cat([part.row + start for part, start in zip(parts, places, strict=True)]),
            torch.cat([part.table for part in parts]),
            torch.cat([part.first + start for part, start in zip(parts, members, strict=True)]),
            torch.cat([part.size for part in parts]),
            torch.cat([part.members for part in parts]),
        )

    def from_nodes(self, nodes: Tensor) -> Distances:
        """Those from some of the nodes (B,); the table and the members are shared."""
        row, first, size = (take(held, nodes) for held in (self.row, self.first, self.size))
        return self._replace(row=row, first=first, size=size)

    def near(self) -> tuple[Tensor, Tensor, Tensor]:
        """The pairs of different nodes that are no further apart than `reach` (P,).

        They are sorted by the first node.

        Shapes: the first node's place in `row` (P,), the second one's number within their graph
        (P,), their distance (P,).
        """
        member = take(self.members, ranges(self.first, self.size)).long()
        nodes = torch.arange(self.size.numel(), device=member.device)
        node = torch.repeat_interleave(nodes, self.size, output_size=member.numel())
        return node, member, take(self.table, take(self.row, node) + member)


def _starts(lists: Sequence[Tensor]) -> list[int]:
    """Where each of some lists begins, if they stand one after the other."""
    return [0, *accumulate(each.numel() for each in lists)][:-1]


class Neighbourhoods:
    """The neighbours of each node, and the distances up to the furthest reach of an edit.

    Args:
        graphs: the clean graphs.
        self_loops: whether a node is among its own neighbours.
        reach: the greatest distance at which an edit changes a node.
        distances: those inside the graphs, up to `reach`, if they are known.
    """

    def __init__(
        self,
        graphs: PackedGraphs,
        *,
        self_loops: bool,
        reach: int,
        distances: Distances | None = None,
    ) -> None:
        self._graphs = graphs
        source, target = graphs.edge_index
        count = graphs.degree
        if self_loops:
            nodes = torch.arange(graphs.num_nodes, device=graphs.device)
            source, target = torch.cat([source, nodes]), torch.cat([target, nodes])
            order = (source * graphs.num_nodes + target).argsort()
            source, target = source[order], target[order]
            count = count + 1
        self._edge_keys = source * graphs.num_nodes + target
        self.count = count
        """How many neighbours each node has (N,)."""
        self.start = count.cumsum(0) - count
        """Where the neighbours of each node begin (N,)."""
        # An added edge gives a node room for one neighbour more. What stands there is read, and
        # then written over: so two entries follow after the last node's neighbours.
        self._neighbours = torch.cat([target, target.new_zeros(2)])
        distances = Distances.inside(graphs, reach) if distances is None else distances
        # The distance from u to v stands at place[u] + v.
        self._place = distances.row - graphs.ptr[graphs.batch]
        self._distance = distances.table
        self._balls = self._balls_of(distances)

    def _balls_of(self, distances: Distances) -> list[_Ball]:
        """The balls of each radius, from 0 to the reach."""
        graphs = self._graphs
        centre, member, distance = distances.near()
        member = member + take(graphs.ptr[graphs.batch], centre)
        balls = []
        for radius in range(distances.reach, -1, -1):
            inside = distance <= radius
            centre, member, distance = centre[inside], member[inside], distance[inside]
            size = torch.bincount(centre, minlength=graphs.num_nodes)
            balls.append(_Ball(size.cumsum(0) - size, size, member))
        return balls[::-1]

    @property
    def all_neighbours(self) -> Tensor:
        """The neighbours of all nodes, node after node (sum of `count`,)."""
        return self._neighbours[:-2]

    def neighbours(self, node: Tensor, more: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """How many neighbours nodes have, and which, node after node.

        Shapes: node (R,), more (R,) -> (R,), (K,). `more` is room for up to two further neighbours
        of each node, which follow after its own and are still to be written.
        """
        count = take(self.count, node)
        if more is not None:
            count = count + more
        return count, take(self._neighbours, ranges(take(self.start, node), count))

    def place_among(self, node: Tensor, neighbour: Tensor) -> Tensor:
        """Which of the node's neighbours a neighbour is, counted from 0: (K,), (K,) -> (K,)."""
        key = node * self._graphs.num_nodes + neighbour
        return torch.searchsorted(self._edge_keys, key) - self.start[node]

    def distance(self, u: Tensor, v: Tensor) -> Tensor:
        """Distances of nodes of one graph (P,), (P,) -> (P,), `reach` + 1 for what lies beyond."""
        return take(self._distance, take(self._place, u) + v)

    def ball(self, radius: int) -> tuple[Tensor, Tensor]:
        """All pairs of a node and one up to a radius around it, itself included: centre, member."""
        _, count, members = self._balls[radius]
        nodes = torch.arange(count.numel(), device=members.device)
        centre = torch.repeat_interleave(nodes, count, output_size=members.numel())
        return torch.cat([nodes, centre]), torch.cat([nodes, members])

    def reached(self, edits: Edits, radius: int) -> Reached:
        """The nodes up to a radius around the ends of edits."""
        number = torch.arange(len(edits), device=edits.i.device)
        ends, twice = torch.cat([edits.i, edits.j]), torch.cat([number, number])
        if radius == 0:
            return Reached(ends, twice, torch.zeros_like(number))
        first, count, members = self._balls[radius]
        both_ends = torch.stack([edits.i, edits.j], dim=1).flatten()
        size = take(count, both_ends)
        node = take(members, ranges(take(first, both_ends), size))
        half = torch.repeat_interleave(
            torch.arange(both_ends.numel(), device=node.device), size, output_size=node.numel()
        )
        edit, around_j = half >> 1, (half & 1).bool()
        # A node in the reach of both ends counts once, for i; the ends have their rows already.
        from_i = take(self._distance, take(take(self._place, edits.i), edit) + node)
        new = torch.where(around_j, from_i > radius, node != take(edits.j, edit))
        node, edit = node.masked_select(new), edit.masked_select(new)
        others = torch.bincount(edit, minlength=len(edits))
        return Reached(torch.cat([ends, node]), torch.cat([twice, edit]), others)

    def entries(self, edits: Edits) -> Tensor:
        """How many neighbours the nodes have that an edit reaches at last, roughly (M,)."""
        first, count, members = self._balls[-1]
        running = torch.cat([members.new_zeros(1), self.count[members].cumsum(0)])
        around = running[first + count] - running[first] + self.count
        return around[edits.i] + around[edits.j]


def parts_of(
    edits: Edits, graphs: PackedGraphs, around: Neighbourhoods, limit: int
) -> Iterator[Edits]:
    """Consecutive edits, few enough for their states and neighbours to be held at once.

    What an edit costs are the nodes of its graph, and the neighbours of the nodes that it reaches.
    """
    if len(edits) == 0:
        return
    cost = graphs.sizes[edits.graph] + around.entries(edits)
    number = torch.div(cost.cumsum(0) - cost, limit, rounding_mode="floor")
    start = 0
    for length in torch.unique_consecutive(number, return_counts=True)[1].tolist():
        yield edits.part(start, start + length)
        start += length
