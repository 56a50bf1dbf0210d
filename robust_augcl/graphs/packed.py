"""Packed graphs: many graphs as one set of tensors, with offsets.

At every border a graph is a PyTorch Geometric `Data`; in hot paths graphs travel packed, because
collating 50 small `Data` objects costs more than one step of an attack.

Letters: G graphs, N nodes of all graphs, E directed edges, F features, P node pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse
import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import Data

from robust_augcl.errors import InputError
from robust_augcl.graphs.limits import limits


def ranges(starts: Tensor, counts: Tensor) -> Tensor:
    """Concatenate the integer ranges [start, start + count).

    Shapes: starts (K,), counts (K,) -> (sum of counts,).
    """
    total = int(counts.sum())
    first = torch.repeat_interleave(starts - (counts.cumsum(0) - counts), counts, output_size=total)
    return first + torch.arange(total, device=starts.device)


def take(values: Tensor, index: Tensor) -> Tensor:
    """`values[index]`, several times as fast for long lists on the CPU."""
    return values.index_select(0, index)


def runs(*bounds: tuple[Tensor, int]) -> list[Tensor]:
    """Split 0 ... K - 1 into consecutive runs whose costs each add up to about a limit at the most,
    one item at the least.

    Without its last item, a run costs less than each limit. A limit that no run reaches changes
    nothing.

    Args:
        bounds: one or more costs, not negative (K,), each with its limit; the runs by one are split
            by the next.

    Returns:
        The numbers of each run (L,), together 0 ... K - 1.
    """
    cost = bounds[0][0]
    found = [torch.arange(cost.numel(), device=cost.device)] if cost.numel() else []
    for cost, limit in bounds:
        found = [piece for run in found for piece in _pieces(run, cost[run], limit)]
    return found


def _pieces(run: Tensor, cost: Tensor, limit: int) -> Sequence[Tensor]:
    number = torch.div(cost.cumsum(0) - cost, limit, rounding_mode="floor")
    return run.split(torch.unique_consecutive(number, return_counts=True)[1].tolist())


@dataclass(frozen=True)
class PackedGraphs:
    """Many undirected graphs in one set of tensors.

    Edges stand in both directions, each once, sorted by source and then target; no self-loops. The
    order makes equal graphs equal bit by bit, and sums over edges repeatable.

    Args:
        x: node features (N, F).
        edge_index: node numbers counted over all graphs (2, E).
        ptr: the first node of each graph, and N at the end (G + 1,).
        y: the class of each graph (G,).
    """

    x: Tensor
    edge_index: Tensor
    ptr: Tensor
    y: Tensor

    @classmethod
    def from_data_list(cls, graphs: Sequence[Data]) -> PackedGraphs:
        """Pack `Data` objects. Both directions of an edge must be present; duplicates and
        self-loops are dropped.

        Raises:
            InputError: no graphs, or a graph with an edge in one direction only or to a node it
                does not have.
        """
        if not graphs:
            raise InputError("Expected at least one graph, got none")
        sizes = torch.tensor([int(g.num_nodes or 0) for g in graphs])
        ptr = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        for index, graph in enumerate(graphs):
            edges = graph.edge_index
            outside = edges[(edges < 0) | (edges >= sizes[index])]
            if outside.numel():
                last = int(sizes[index]) - 1
                raise InputError(
                    f"Expected the edges of graph {index} to join nodes 0 to {last}, got "
                    f"{int(outside[0])}"
                )
        num_nodes = int(ptr[-1])
        edge_index = torch.cat(
            [g.edge_index + offset for g, offset in zip(graphs, ptr[:-1], strict=True)], dim=1
        )
        keys = (edge_index[0] * num_nodes + edge_index[1])[edge_index[0] != edge_index[1]].unique()
        if not torch.equal(
            ((keys % num_nodes) * num_nodes + keys // num_nodes).sort().values, keys
        ):
            raise InputError(
                "Expected undirected graphs with each edge in both directions, got an edge in "
                "one direction only"
            )
        y = torch.cat(
            [
                g.y.reshape(1) if g.y is not None else torch.zeros(1, dtype=torch.long)
                for g in graphs
            ]
        )
        x = torch.cat([g.x for g in graphs])
        return cls(x, torch.stack([keys // num_nodes, keys % num_nodes]), ptr, y.long())

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
        """`edge_index` as PyTorch Geometric's type, which tells layers that it is sorted and
        undirected.
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
        source, target = self.edge_index.cpu().numpy()
        adjacency = scipy.sparse.coo_matrix(
            (np.ones(len(source), dtype=np.int8), (source, target)),
            shape=(self.num_nodes, self.num_nodes),
        )
        _, labels = scipy.sparse.csgraph.connected_components(adjacency, directed=False)
        return torch.from_numpy(labels.astype(np.int64)).to(self.device)

    @cached_property
    def num_components(self) -> Tensor:
        """Connected components of each graph (G,), by counting."""
        order = self.components.sort(stable=True)
        first = torch.ones_like(order.values, dtype=torch.bool)
        first[1:] = order.values.diff() != 0
        return torch.bincount(self.batch[order.indices[first]], minlength=self.num_graphs)

    def has_edges(self, source: Tensor, target: Tensor) -> Tensor:
        """Which of the pairs of nodes (numbered over all graphs) are edges: (P,), (P,) -> (P,)
        bool.
        """
        if self.edge_keys.numel() == 0:
            return torch.zeros_like(source, dtype=torch.bool)
        keys = source * self.num_nodes + target
        place = torch.searchsorted(self.edge_keys, keys).clamp(max=self.edge_keys.numel() - 1)
        return self.edge_keys[place] == keys

    def portions(self) -> list[Tensor]:
        """The numbers of the graphs in runs for which work on every pair of nodes fits into memory:
        50 graphs, fewer large ones.
        """
        return runs(
            (torch.ones_like(self.sizes), limits().portion_graphs),
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
        return PackedGraphs(self.x[nodes], self.edge_index[:, edges] + shift, ptr, self.y[index])

    def flip(self, graph: Tensor, pairs: Tensor) -> PackedGraphs:
        """Return the graphs with pairs of nodes flipped: an edge that is there goes, one that is
        not comes.

        Shapes: graph (P,), pairs (2, P) of node numbers within their graph; each undirected pair at
        most once.
        """
        if graph.numel() == 0:
            return self
        ends = pairs + self.ptr[graph]
        both = torch.cat([ends, ends.flip(0)], dim=1)
        keys = both[0] * self.num_nodes + both[1]
        there = self.has_edges(both[0], both[1])
        kept = (
            self.edge_keys[~torch.isin(self.edge_keys, keys[there])]
            if bool(there.any())
            else self.edge_keys
        )
        merged = torch.cat([kept, keys[~there]]).sort().values
        edge_index = torch.stack([merged // self.num_nodes, merged % self.num_nodes])
        return PackedGraphs(self.x, edge_index, self.ptr, self.y)

    def keep_nodes(self, keep: Tensor) -> PackedGraphs:
        """Return the subgraphs induced by the nodes of the mask `keep` (N,); each graph must keep
        at least one.
        """
        number = keep.cumsum(0) - 1
        edges = keep[self.edge_index[0]] & keep[self.edge_index[1]]
        kept_before = torch.cat([number.new_zeros(1), keep.cumsum(0)])
        return PackedGraphs(
            self.x[keep], number[self.edge_index[:, edges]], kept_before[self.ptr], self.y
        )

    def to(self, device: torch.device | str) -> PackedGraphs:
        """Return the graphs on `device`."""
        return PackedGraphs(
            self.x.to(device), self.edge_index.to(device), self.ptr.to(device), self.y.to(device)
        )

    def with_labels(self, y: Tensor) -> PackedGraphs:
        """Return the same graphs with other classes (G,)."""
        return replace(self, y=y)

    def __getitem__(self, index: int) -> Data:
        """Return one graph as a `Data` of its own (copies, not views)."""
        if not -self.num_graphs <= index < self.num_graphs:
            raise IndexError(f"Expected a graph number below {self.num_graphs}, got {index}")
        index %= self.num_graphs
        nodes = slice(int(self.ptr[index]), int(self.ptr[index + 1]))
        edges = slice(int(self.edge_ptr[index]), int(self.edge_ptr[index + 1]))
        return Data(
            x=self.x[nodes].clone(),
            edge_index=self.edge_index[:, edges] - self.ptr[index],
            y=self.y[index].reshape(1).clone(),
        )

    def to_data_list(self) -> list[Data]:
        """Return every graph as a `Data`."""
        return [self[index] for index in range(self.num_graphs)]


def concatenate(parts: Sequence[PackedGraphs]) -> PackedGraphs:
    """Return the graphs of all parts, one part after the other."""
    offsets = [0]
    for part in parts:
        offsets.append(offsets[-1] + part.num_nodes)
    return PackedGraphs(
        torch.cat([part.x for part in parts]),
        torch.cat(
            [part.edge_index + offset for part, offset in zip(parts, offsets, strict=False)], dim=1
        ),
        torch.cat(
            [
                parts[0].ptr[:1],
                *[part.ptr[1:] + offset for part, offset in zip(parts, offsets, strict=False)],
            ]
        ),
        torch.cat([part.y for part in parts]),
    )


def pack(graphs: PackedGraphs | Sequence[Data]) -> PackedGraphs:
    """Return `graphs` packed, whether they are already or not."""
    return graphs if isinstance(graphs, PackedGraphs) else PackedGraphs.from_data_list(graphs)
