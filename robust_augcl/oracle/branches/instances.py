"""Graphs and their edits as the arrays that the compiled search takes.

Letters: N nodes, M edits.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.oracle.branches.arrays import EditList, State
from robust_augcl.oracle.branches.known import Known
from robust_augcl.oracle.branches.state import set_state
from robust_augcl.threat.candidates import Candidates


def state_of(of: Known, graphs: PackedGraphs, number: int, most_edits: int) -> State:
    """One graph as the search takes it."""
    first, last = graphs.ptr[number : number + 2].tolist()
    source, target = graphs.edge_index
    own = graphs.batch[source] == number
    source, target = source[own] - first, target[own] - first
    nodes = last - first
    degree = np.bincount(source.numpy(), minlength=nodes).astype(np.int64)
    most = int(degree.max(initial=0)) + most_edits
    neighbours = np.zeros((nodes, most), dtype=np.int64)
    # Edges are sorted by source.
    place = np.arange(source.numel()) - np.repeat(degree.cumsum() - degree, degree)
    neighbours[source.numpy(), place] = target.numpy()
    width = of.offset.shape[0]
    state = State(degree, neighbours, np.empty((nodes, width)), np.empty(width))
    set_state(of.network.messages, of.offset, state)
    return state


def edits_of(candidates: Candidates, numbers: Tensor) -> EditList:
    """Candidates of one graph, by number (M,), as the search takes them."""
    one, other = (ends.cpu().numpy().copy() for ends in candidates.pairs[:, numbers])
    step = 1 - 2 * candidates.exists[numbers].cpu().numpy().astype(np.int64)
    return EditList(one, other, step)
