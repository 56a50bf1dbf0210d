"""Keys of graphs: equal for graphs that message passing cannot tell apart (Weisfeiler and Leman's
colour refinement).

Letters: G graphs, N nodes, E directed edges, F features.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs

Colours = NDArray[np.uint64]


def graph_keys(graphs: PackedGraphs, rounds: int = 5) -> Tensor:
    """One 64-bit number a graph (G,), whatever the order of its nodes and whichever graphs it
    stands among.

    Graphs of different keys differ to any sum over neighbours of at most `rounds` rounds;
    isomorphic graphs with the same features have equal keys. Classes do not enter.
    """
    source, target = graphs.edge_index.cpu().numpy()
    first_edge = np.searchsorted(source, np.arange(graphs.num_nodes + 1))
    bits = graphs.x.detach().cpu().float().contiguous().numpy().view(np.uint32).astype(np.uint64)
    colours = np.full(graphs.num_nodes, 1, dtype=np.uint64)
    for column in bits.T:
        colours = _mix(colours + _mix(column))
    for _ in range(rounds):
        colours = _mix(
            _mix(colours) + _sums(_mix(colours ^ np.uint64(0x5555555555555555))[target], first_edge)
        )
    return torch.from_numpy(_mix(_sums(_mix(colours), graphs.ptr.cpu().numpy())).view(np.int64))


def _sums(values: Colours, first: NDArray[np.int64]) -> Colours:
    """Sums, modulo 2 ** 64, of the runs of values that begin at `first`."""
    total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values, dtype=np.uint64)])
    return np.asarray(total[first[1:]] - total[first[:-1]])


def _mix(values: Colours) -> Colours:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014): numbers that are close become numbers
    that are not.
    """
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))
