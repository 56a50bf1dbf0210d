"""Packed graphs: many graphs as one set of tensors, with offsets.

At every border a graph is a PyTorch Geometric `Data`; in hot paths graphs travel packed, because
collating 50 small `Data` objects costs more than one step of an attack.

Letters: G graphs, N nodes of all graphs, E directed edges, F features, A edge attributes, P node
pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import Data

from robust_augcl.graphs.connected import component_of_nodes
from robust_augcl.graphs.data_list import loose, packed_edges, refuse_features, whole
from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.ragged import ranges, runs, take


@dataclass(frozen=True)
class PackedGraphs:
    """Many undirected graphs in one set of tensors.

    Edges stand in both directions, each once, sorted by source and then target; no self-loops. The
    order makes equal graphs equal bit by bit, and sums over edges repeatable.

    Args:
        x: node features (N, F).
        edge_index: node numbers counted over all graphs (2, E).
        ptr: the first node of each graph, and N at the end (G + 1,).
        y: the class of each target (G,): of each graph, or of its target node.
        target_node: the node whose class `y` is, numbered within its graph (G,). None: `y` are the
            classes of the graphs.
        edge_attr: attributes of the edges, the same in both directions (E, A). None: not used.
        added_edge: the attributes of an edge that is added (A,), where there are any.

    >>> from torch_geometric.data import Data
    >>> edge = Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0, 1], [1, 0]]))
    >>> lonely = Data(x=torch.ones(1, 1), edge_index=torch.zeros(2, 0, dtype=torch.long))
    >>> graphs = PackedGraphs.from_data_list([edge, lonely, edge])
    >>> graphs.sizes.tolist(), graphs.num_undirected_edges.tolist()
    ([2, 1, 2], [1, 0, 1])
    >>> graphs.select(torch.tensor([2, 2])).edge_index.tolist()
    [[0, 1, 2, 3], [1, 0, 3, 2]]
    """

    x: Tensor
    edge_index: Tensor
    ptr: Tensor
    y: Tensor
    target_node: Tensor | None = None
    edge_attr: Tensor | None = None
    added_edge: Tensor | None = None

    @classmethod
    def from_data_list(cls, graphs: Sequence[Data]) -> PackedGraphs:
        """Pack `Data` objects as they are; duplicate edges and self-loops are dropped.

        Graphs of other people come in through `entrance.admit`, which also says what it mended.

        Both directions of an edge must be present. A graph whose target is a node says so by an
        attribute `target_node`; either all graphs have one or none. Graphs without features get
        the constant 1, graphs without labels the class 0. Edge attributes are left out.

        Raises:
            InputError: no graphs; a graph with an edge in one direction only or to a node that it
                does not have; a target node that its graph does not have; some graphs with a
                target node and some without; a label that is no whole number, or several of them; a
                feature that is not finite.
        """
        given = loose(graphs)
        ptr, x, y = given.ptr, given.x, given.y
        if x is None:
            x = torch.ones(int(ptr[-1]), 1)
        refuse_features(given, ~x.isfinite(), "that are finite")
        classes = whole(y, "labels") if y is not None else torch.zeros_like(given.sizes)
        return cls(
            x if x.is_floating_point() else x.float(),
            packed_edges(given),
            ptr,
            classes,
            given.target_node,
        )

    @property
    def num_graphs(self) -> int:
        return self.ptr.numel() - 1

    def __len__(self) -> int:
        return self.num_graphs

    @property
    def num_nodes(self) -> int:
        return self.x.size(0)

    @property
    def device(self) -> torch.device:
        return self.x.device

    @cached_property
    def sizes(self) -> Tensor:
        """Nodes of each graph (G,)."""
        return self.ptr.diff()

    @cached_property
    def batch(self) -> Tensor:
        """The graph of each node (N,)."""
        return torch.repeat_interleave(
            torch.arange(self.num_graphs, device=self.device),
            self.sizes,
            output_size=self.num_nodes,
        )

    @cached_property
    def target_rows(self) -> Tensor:
        """The target node of each graph, numbered over all graphs (G,).

        Raises:
            ValueError: the targets are graphs.
        """
        if self.target_node is None:
            raise ValueError("Expected graphs with target nodes, got graphs without")
        return self.ptr[:-1] + self.target_node

    @cached_property
    def degree(self) -> Tensor:
        """Neighbours of each node (N,)."""
        return torch.bincount(self.edge_index[0], minlength=self.num_nodes)

    @cached_property
    def first_edge(self) -> Tensor:
        """The first edge of each node, and E at the end (N + 1,)."""
        return torch.cat([self.ptr.new_zeros(1), self.degree.cumsum(0)])

    @cached_property
    def edge_ptr(self) -> Tensor:
        """The first edge of each graph, and E at the end (G + 1,)."""
        return self.first_edge[self.ptr]

    @cached_property
    def edges(self) -> EdgeIndex:
        """`edge_index` as PyTorch Geometric's type.

        It tells layers that edges are sorted and undirected.
        """
        size = self.num_nodes
        return EdgeIndex(
            self.edge_index.contiguous(),
            sparse_size=(size, size),
            sort_order="row",
            is_undirected=True,
        )

    @cached_property
    def num_undirected_edges(self) -> Tensor:
        """Undirected edges of each graph (G,)."""
        return self.edge_ptr.diff() // 2

    @cached_property
    def edge_keys(self) -> Tensor:
        """One sorted integer a directed edge, source * N + target (E,)."""
        return self.edge_index[0] * self.num_nodes + self.edge_index[1]

    @cached_property
    def components(self) -> Tensor:
        """The connected component of each node, counted over all graphs (N,)."""
        return component_of_nodes(self.edge_index, self.num_nodes)

    @cached_property
    def num_components(self) -> Tensor:
        """Connected components of each graph (G,), by counting."""
        order = self.components.sort(stable=True)
        first = torch.ones_like(order.values, dtype=torch.bool)
        first[1:] = order.values.diff() != 0
        return torch.bincount(self.batch[order.indices[first]], minlength=self.num_graphs)

    def has_edges(self, source: Tensor, target: Tensor) -> Tensor:
        """Which of the pairs of nodes, numbered over all graphs, are edges.

        Shapes: (P,), (P,) -> (P,) bool.
        """
        keys = source * self.num_nodes + target
        if self.edge_keys.numel() == 0:
            return torch.zeros_like(keys, dtype=torch.bool)
        place = torch.searchsorted(self.edge_keys, keys).clamp(max=self.edge_keys.numel() - 1)
        return self.edge_keys[place] == keys

    def portions(self, most: int | None = None) -> list[Tensor]:
        """The numbers of the graphs, in runs of which every pair of nodes fits into memory.

        A run has `most` graphs, by default 50, or fewer large ones.
        """
        return runs(
            (torch.ones_like(self.sizes), limits().portion_graphs if most is None else most),
            (self.sizes * (self.sizes - 1) // 2, limits().portion_pairs),
        )

    def select(self, index: Tensor) -> PackedGraphs:
        """Return the graphs at `index` (B,), in that order; a graph may appear many times."""
        index = index.to(self.device)
        sizes = self.sizes[index]
        ptr = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        nodes = ranges(self.ptr[index], sizes)
        edge_counts = self.edge_ptr.diff()[index]
        edges = ranges(self.edge_ptr[index], edge_counts)
        shift = torch.repeat_interleave(
            ptr[:-1] - self.ptr[index], edge_counts, output_size=edges.numel()
        )
        return PackedGraphs(
            take(self.x, nodes),
            self.edge_index.index_select(1, edges) + shift,
            ptr,
            self.y[index],
            None if self.target_node is None else self.target_node[index],
            None if self.edge_attr is None else self.edge_attr[edges],
            self.added_edge,
        )

    def flip(self, graph: Tensor, pairs: Tensor) -> PackedGraphs:
        """Return the graphs with pairs of nodes flipped.

        An edge that is there goes, and one that is not there comes; where edges have attributes, it
        carries `added_edge`.

        Shapes: graph (P,), pairs (2, P) of node numbers within their graph; each undirected pair at
        most once.
        """
        if graph.numel() == 0:
            return self
        both = torch.cat([pairs, pairs.flip(0)], dim=1) + self.ptr[graph].repeat(2)
        keys = both[0] * self.num_nodes + both[1]
        there = self.has_edges(both[0], both[1])
        kept, edge_attr = self.edge_keys, self.edge_attr
        if bool(there.any()):
            stay = ~torch.isin(kept, keys[there])
            kept, edge_attr = kept[stay], None if edge_attr is None else edge_attr[stay]
        merged, order = torch.cat([kept, keys[~there]]).sort()
        if edge_attr is not None:
            edge_attr = torch.cat([edge_attr, self._added(int((~there).sum()))])[order]
        edge_index = torch.stack([merged // self.num_nodes, merged % self.num_nodes])
        return replace(self, edge_index=edge_index, edge_attr=edge_attr)

    def attributes_of(self, edges: Tensor) -> Tensor:
        """The attributes of edges (2, P), which may be there or not: what they carry if added.

        Shapes: (2, P) of nodes numbered over all graphs -> (P, A).

        Raises:
            ValueError: the edges of these graphs have no attributes.
        """
        if self.edge_attr is None:
            raise ValueError("Expected graphs with edge attributes, got graphs without")
        found = self._added(edges.size(1)).clone()
        there = self.has_edges(edges[0], edges[1])
        keys = edges[0, there] * self.num_nodes + edges[1, there]
        found[there] = self.edge_attr[torch.searchsorted(self.edge_keys, keys)]
        return found

    def _added(self, count: int) -> Tensor:
        """What so many added edges carry (count, A)."""
        if self.added_edge is None:
            raise ValueError("Expected `added_edge` where edges have attributes, got none")
        return self.added_edge.expand(count, -1)

    def keep_nodes(self, keep: Tensor) -> PackedGraphs:
        """Return the subgraphs induced by the nodes of the mask `keep` (N,).

        Each graph must keep at least one node.

        Raises:
            ValueError: a target node that is not kept.
        """
        number = keep.cumsum(0) - 1
        edges = keep[self.edge_index[0]] & keep[self.edge_index[1]]
        kept_before = torch.cat([number.new_zeros(1), keep.cumsum(0)])
        ptr = kept_before[self.ptr]
        target_node = None
        if self.target_node is not None:
            if not bool(keep[self.target_rows].all()):
                raise ValueError("Expected `keep` to hold every target node, got one left out")
            target_node = number[self.target_rows] - ptr[:-1]
        edge_index = number[self.edge_index[:, edges]]
        edge_attr = None if self.edge_attr is None else self.edge_attr[edges]
        return PackedGraphs(
            self.x[keep], edge_index, ptr, self.y, target_node, edge_attr, self.added_edge
        )

    def to(self, device: torch.device | str) -> PackedGraphs:
        """Return the graphs on `device`."""
        return self._with_each(lambda tensor: tensor.to(device))

    def copy(self) -> PackedGraphs:
        """Return the same graphs in tensors of their own."""
        return self._with_each(Tensor.clone)

    def _with_each(self, change: Callable[[Tensor], Tensor]) -> PackedGraphs:
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: change(of) for name, of in held.items() if of is not None})

    def same_as(self, other: PackedGraphs) -> bool:
        """Whether all tensors are equal, bit by bit."""
        return all(
            (own is None and its is None)
            or (own is not None and its is not None and torch.equal(own, its))
            for own, its in (
                (getattr(self, field.name), getattr(other, field.name)) for field in fields(self)
            )
        )

    def with_labels(self, y: Tensor) -> PackedGraphs:
        """Return the same graphs and targets with other classes (G,)."""
        return replace(self, y=y)

    def with_features(self, x: Tensor) -> PackedGraphs:
        """Return the same graphs and targets with other features (N, F)."""
        return replace(self, x=x)

    def __getitem__(self, index: int) -> Data:
        """Return one graph as a `Data` of its own (copies, not views)."""
        if not -self.num_graphs <= index < self.num_graphs:
            raise IndexError(f"Expected a graph number below {self.num_graphs}, got {index}")
        index %= self.num_graphs
        nodes = slice(int(self.ptr[index]), int(self.ptr[index + 1]))
        edges = slice(int(self.edge_ptr[index]), int(self.edge_ptr[index + 1]))
        data = Data(
            x=self.x[nodes].clone(),
            edge_index=self.edge_index[:, edges] - self.ptr[index],
            y=self.y[index].reshape(1).clone(),
        )
        if self.target_node is not None:
            data.target_node = self.target_node[index].reshape(1).clone()
        if self.edge_attr is not None:
            data.edge_attr = self.edge_attr[edges].clone()
        return data

    def to_data_list(self) -> list[Data]:
        """Return every graph as a `Data`."""
        return [self[index] for index in range(self.num_graphs)]


def pack(graphs: PackedGraphs | Sequence[Data]) -> PackedGraphs:
    """Return `graphs` packed, whether they are already or not."""
    return graphs if isinstance(graphs, PackedGraphs) else PackedGraphs.from_data_list(graphs)
