"""Many target nodes of one graph, which is held once however many there are.

Letters: T targets, n nodes of the graph, K edits of all targets, P pairs of nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from robust_augcl.errors import InputError
from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.node_balls import balls_around
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import runs


class NodeTargets(PackedGraphs):
    """Target nodes of one graph, as packed graphs: one graph a target, all of them the same one.

    Whoever takes packed graphs with one target each takes these. Each target has edits of its own,
    as if it had a copy of the graph. But graph and features are held once: `select`, `flip`,
    `has_edges` and `around` make no copies. `x`, `edge_index`, `ptr` and `edge_attr` are those of
    the copies. They are made when they are asked for; those of one target that is not edited are
    the graph's own.

    Args:
        graph: one graph.
        node: the targets (T,).
        y: their classes (T,).
        flips: pairs of nodes that are flipped: of which target (K,), and their nodes (2, K).

    Raises:
        ValueError: not exactly one graph.
        InputError: copies are asked for that take more numbers than `Limits.copied_numbers`.

    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graph = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> targets = NodeTargets(graph, torch.tensor([0, 2]), torch.tensor([1, 0]))
    >>> targets.num_graphs, targets.sizes.tolist()
    (2, [3, 3])
    >>> edited = targets.flip(torch.tensor([1]), torch.tensor([[0], [2]]))
    >>> edited.num_undirected_edges.tolist(), edited.select(torch.tensor([0])).x is graph.x
    ([2, 3], True)
    """

    graph: PackedGraphs
    flips: tuple[Tensor, Tensor]

    def __init__(
        self,
        graph: PackedGraphs,
        node: Tensor,
        y: Tensor,
        flips: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        if graph.num_graphs != 1:
            raise ValueError(f"Expected one graph that holds all targets, got {graph.num_graphs}")
        none = node.new_zeros(0), node.new_zeros(2, 0)
        own = {"graph": graph, "target_node": node, "y": y, "flips": flips or none}
        self.__dict__.update(own)  # the dataclass above is frozen

    def _with(self, **changes: Any) -> NodeTargets:
        own = {"graph": self.graph, "node": self.target_node, "y": self.y, "flips": self.flips}
        return NodeTargets(**{**own, **changes})

    # --- what is known without copies -------------------------------------------------------------

    @property
    def num_graphs(self) -> int:
        return self.y.numel()

    @property
    def num_nodes(self) -> int:
        return self.num_graphs * self.graph.num_nodes

    @property
    def device(self) -> torch.device:
        return self.graph.device

    @property
    def nodes(self) -> Tensor:
        """The targets, numbered in the graph (T,)."""
        assert self.target_node is not None
        return self.target_node

    @cached_property
    def sizes(self) -> Tensor:
        return torch.full_like(self.nodes, self.graph.num_nodes)

    @cached_property
    def ptr(self) -> Tensor:
        size, device = self.graph.num_nodes, self.device
        return torch.arange(0, self.num_nodes + 1, size, device=device)

    @cached_property
    def adds(self) -> Tensor:
        """Whether each flip adds an edge; else it removes one (K,)."""
        return ~self.graph.has_edges(*self.flips[1])

    @cached_property
    def num_undirected_edges(self) -> Tensor:
        change = torch.zeros_like(self.y).index_add(0, self.flips[0], self.adds.long() * 2 - 1)
        return self.graph.num_undirected_edges + change

    @cached_property
    def degree_of_targets(self) -> Tensor:
        """Neighbours of each target (T,), edits included."""
        of, pairs = self.flips
        at = (pairs == self.nodes[of]).any(0)
        change = torch.zeros_like(self.y).index_add(0, of, (self.adds.long() * 2 - 1) * at)
        return self.graph.degree[self.nodes] + change

    def has_edges(self, source: Tensor, target: Tensor) -> Tensor:
        size = self.graph.num_nodes
        of, i, j = source // size, source % size, target % size
        there, in_one_copy = self.graph.has_edges(i, j), of == target // size
        if self.flips[0].numel():
            asked = self._keys(of, torch.stack([i, j]))
            there = there ^ torch.isin(asked, self._keys(*self.flips))
        return there & in_one_copy

    def _keys(self, of: Tensor, pairs: Tensor) -> Tensor:
        """One number for each undirected pair of each target."""
        size = self.graph.num_nodes
        return (of * size + pairs.amin(0)) * size + pairs.amax(0)

    def portions(self, most: int | None = None) -> list[Tensor]:
        """The numbers of the targets, in runs for which the candidates at a few nodes fit."""
        fit = max(1, limits().portion_pairs // (_NODES_ASKED * self.graph.num_nodes))
        most = limits().portion_graphs if most is None else most
        return runs((torch.ones_like(self.sizes), min(fit, most)))

    # --- other targets, other edits ---------------------------------------------------------------

    def select(self, index: Tensor) -> NodeTargets:
        """Return the targets at `index` (B,) with their edits; one may appear many times."""
        index = index.to(self.device)
        of, pairs = self.flips
        if of.numel() == 0:
            return NodeTargets(self.graph, self.nodes[index], self.y[index])
        order = torch.argsort(of, stable=True)
        counts = torch.bincount(of, minlength=self.num_graphs)
        first, count = (counts.cumsum(0) - counts)[index], counts[index]
        copy = torch.repeat_interleave(torch.arange(index.numel(), device=self.device), count)
        place = first[copy] + _places(count)
        flips = copy, pairs[:, order[place]]
        return NodeTargets(self.graph, self.nodes[index], self.y[index], flips)

    def flip(self, graph: Tensor, pairs: Tensor) -> NodeTargets:
        """Return the targets with pairs of nodes flipped, each for one target, and at most once.

        A pair that is flipped already is as it was before.
        """
        if graph.numel() == 0:
            return self
        if self.flips[0].numel() == 0:
            return self._with(flips=(graph, pairs))
        of, both = torch.cat([self.flips[0], graph]), torch.cat([self.flips[1], pairs], dim=1)
        keys = self._keys(of, both)
        _, kind, count = keys.unique(return_inverse=True, return_counts=True)
        once = count[kind] % 2 == 1
        return self._with(flips=(of[once], both[:, once]))

    def edited_together(self, pairs: Tensor) -> NodeTargets:
        """Return the targets of the graph with pairs of nodes (2, P) flipped, for all targets.

        Raises:
            ValueError: targets with edits of their own.
        """
        if self.flips[0].numel():
            raise ValueError("Expected targets without edits of their own, got some with")
        return self._with(graph=self.graph.flip(torch.zeros_like(pairs[0]), pairs))

    def to(self, device: torch.device | str) -> NodeTargets:
        return self._each(lambda tensor: tensor.to(device), self.graph.to(device))

    def copy(self) -> NodeTargets:
        return self._each(Tensor.clone, self.graph.copy())

    def _each(self, change: Callable[[Tensor], Tensor], graph: PackedGraphs) -> NodeTargets:
        flips = change(self.flips[0]), change(self.flips[1])
        return NodeTargets(graph, change(self.nodes), change(self.y), flips)

    def same_as(self, other: PackedGraphs) -> bool:
        return (
            isinstance(other, NodeTargets)
            and self.graph.same_as(other.graph)
            and torch.equal(self.nodes, other.nodes)
            and torch.equal(self.y, other.y)
            and all(map(torch.equal, self.flips, other.flips))
        )

    def with_labels(self, y: Tensor) -> NodeTargets:
        return self._with(y=y)

    def with_features(self, x: Tensor) -> PackedGraphs:
        return self.copies.with_features(x)

    def in_double(self) -> NodeTargets:
        return self._with(graph=self.graph.with_features(self.graph.x.double()))

    # --- graphs of their own ----------------------------------------------------------------------

    def around(self, hops: int) -> PackedGraphs:
        """Return for each target the nodes within some hops, with the edges between them.

        What a model says of the target is the same as on the whole graph, if it takes nothing from
        farther away. Their numbers are other ones than in the graph; there is one graph a target.
        """
        return balls_around(self.graph, self.nodes, self.y, self.flips, hops)

    @property
    def together(self) -> PackedGraphs:
        """The one graph with all its targets, for models that answer for many nodes at once.

        Raises:
            ValueError: targets with edits of their own.
        """
        if self.flips[0].numel():
            raise ValueError("Expected targets without edits of their own, got some with")
        return replace(self.graph, y=self.y, target_node=self.nodes)

    @cached_property
    def copies(self) -> PackedGraphs:
        """One graph a target, edited, as plain packed graphs."""
        number, numbers = self.num_graphs, self.num_nodes * self.graph.x.size(1)
        if number > 1 and numbers > limits().copied_numbers:
            raise InputError(
                f"Expected copies of a graph of {self.graph.num_nodes} nodes for few targets at "
                f"once, got {number}: they take {numbers} numbers, {limits().copied_numbers} at "
                "the most"
            )
        if number == 1:
            graph = replace(self.graph, y=self.y, target_node=self.nodes)
        else:
            copies = self.graph.select(torch.zeros_like(self.nodes))
            graph = replace(copies, y=self.y, target_node=self.nodes)
        return graph.flip(*self.flips)

    @property
    def x(self) -> Tensor:
        return self.copies.x

    @property
    def edge_index(self) -> Tensor:
        return self.copies.edge_index

    @property
    def edge_attr(self) -> Tensor | None:
        return None if self.graph.edge_attr is None else self.copies.edge_attr

    @property
    def added_edge(self) -> Tensor | None:
        return self.graph.added_edge


def degree_of_targets(graphs: PackedGraphs) -> Tensor:
    """The degree of the target node of each graph (G,).

    Raises:
        ValueError: the targets are graphs.
    """
    if isinstance(graphs, NodeTargets):
        return graphs.degree_of_targets
    return graphs.degree[graphs.target_rows]


def in_two_components(graphs: PackedGraphs, graph: Tensor, pairs: Tensor) -> Tensor:
    """Whether the nodes of pairs (2, P), numbered within their graphs (P,), are not connected."""
    if isinstance(graphs, NodeTargets) and graphs.flips[0].numel() == 0:
        parts = graphs.graph.components[pairs]
    else:
        parts = graphs.components[pairs + graphs.ptr[graph]]
    return parts[0] != parts[1]


_NODES_ASKED = 64
"""At how many nodes candidates of a target lie, about: what a portion is measured by."""


def _places(counts: Tensor) -> Tensor:
    """0 ... count - 1 for one count after the other."""
    total = int(counts.sum())
    first = torch.repeat_interleave(counts.cumsum(0) - counts, counts, output_size=total)
    return torch.arange(total, device=counts.device) - first
