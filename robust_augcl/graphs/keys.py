"""Keys of graphs: equal for graphs that message passing cannot tell apart.

They come from the colour refinement of Weisfeiler and Leman (1968).

Letters: G graphs, T targets, N nodes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.targets import Targets

Colours = NDArray[np.uint64]


def graph_keys(graphs: PackedGraphs, rounds: int = 5) -> Tensor:
    """One 64-bit number a graph, or a target node in its graph (G,).

    It depends neither on the order of the nodes nor on the other graphs. Graphs of different keys
    differ to any sum over neighbours of at most `rounds` rounds. Isomorphic graphs with the same
    features and edge attributes have equal keys, if they have the same target. Classes do not
    enter.

    >>> from torch_geometric.data import Data
    >>> edges = torch.tensor([[0, 1], [1, 0]])
    >>> first = Data(x=torch.tensor([[1.0], [2.0]]), edge_index=edges)
    >>> second = Data(x=torch.tensor([[2.0], [1.0]]), edge_index=edges)
    >>> one, other = graph_keys(PackedGraphs.from_data_list([first, second])).tolist()
    >>> one == other
    True
    """
    if isinstance(graphs, NodeTargets) and graphs.flips[0].numel() == 0:
        zeros = torch.zeros_like(graphs.nodes)
        return target_keys(graphs.graph, Targets(zeros, graphs.nodes, graphs.y), rounds)
    colours = _colours(graphs, rounds)
    keys = _keys_of_graphs(colours, graphs)
    if graphs.target_node is not None:
        keys = _with_targets(keys, colours[graphs.target_rows.cpu().numpy()])
    return torch.from_numpy(keys.view(np.int64))


def target_keys(graphs: PackedGraphs, targets: Targets, rounds: int = 5) -> Tensor:
    """One 64-bit number a target (T,): the `graph_keys` of the graphs that hold one target each.

    Each graph is looked at once, however many targets it holds.
    """
    colours = _colours(graphs, rounds)
    keys = _keys_of_graphs(colours, graphs)[targets.graph.cpu().numpy()]
    if targets.node is not None:
        rows = (graphs.ptr[targets.graph] + targets.node).cpu().numpy()
        keys = _with_targets(keys, colours[rows])
    return torch.from_numpy(keys.view(np.int64))


def _colours(graphs: PackedGraphs, rounds: int) -> Colours:
    """The colour of each node after some rounds of refinement (N,)."""
    source, target = graphs.edge_index.cpu().numpy()
    first_edge = np.searchsorted(source, np.arange(graphs.num_nodes + 1))
    colours = _of_rows(graphs.x)
    carried = None if graphs.edge_attr is None else _of_rows(graphs.edge_attr)
    for _ in range(rounds):
        sent = _mix(colours ^ np.uint64(0x5555555555555555))[target]
        if carried is not None:
            sent = _mix(sent + carried)
        colours = _mix(_mix(colours) + _sums(sent, first_edge))
    return colours


def _of_rows(rows: Tensor) -> Colours:
    """One colour a row of numbers (rows, columns) -> (rows,)."""
    bits = rows.detach().cpu().float().contiguous().numpy().view(np.uint32).astype(np.uint64)
    colours = np.full(len(bits), 1, dtype=np.uint64)
    for column in bits.T:
        colours = _mix(colours + _mix(column))
    return colours


def _keys_of_graphs(colours: Colours, graphs: PackedGraphs) -> Colours:
    return _mix(_sums(_mix(colours), graphs.ptr.cpu().numpy()))


def _with_targets(keys: Colours, colours: Colours) -> Colours:
    """The keys of graphs (T,), mixed with the colours of their target nodes (T,)."""
    return _mix(keys + _mix(colours ^ np.uint64(0x3333333333333333)))


def _sums(values: Colours, first: NDArray[np.int64]) -> Colours:
    """Sums, modulo 2 ** 64, of the runs of values that begin at `first`."""
    total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values, dtype=np.uint64)])
    return np.asarray(total[first[1:]] - total[first[:-1]])


def _mix(values: Colours) -> Colours:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014): close numbers come far apart."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))
