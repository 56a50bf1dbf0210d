"""Sets of edits as rows of candidate numbers, for attacks that keep many sets for each graph.

Letters: G graphs, R rows, K edits of a row at the most, M candidates. The number -1 is no edit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.candidates import Candidates


def with_edits(
    graphs: PackedGraphs, candidates: Candidates, rows: Tensor, graph: Tensor
) -> PackedGraphs:
    """Return a copy of the graphs `graph` (R,), each with the edits of its row (R, K).

    An edit that "adds" an edge that exists changes nothing.
    """
    row, column = (rows >= 0).nonzero(as_tuple=True)
    edits = rows[row, column]
    changes = candidates.changes[edits]
    return graphs.select(graph).flip(row[changes], candidates.pairs[:, edits[changes]])


def random_order(graph: Tensor, generator: torch.Generator) -> Tensor:
    """Return the numbers 0 ... M - 1 graph by graph, those of each graph in uniformly random order.

    Shapes: graph, the sorted graphs of the candidates (M,) -> (M,).
    """
    keys = torch.rand(graph.numel(), generator=generator, dtype=torch.float64).to(graph.device)
    return torch.argsort(graph + keys)
