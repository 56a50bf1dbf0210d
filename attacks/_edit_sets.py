"""Sets of edits as rows of candidate numbers: what attacks that keep many of them for each graph
share.

Letters: G graphs, R rows, K edits of a row at the most; -1 stands for no edit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.candidates import Candidates


def with_edits(
    graphs: PackedGraphs, candidates: Candidates, rows: Tensor, graph: Tensor
) -> PackedGraphs:
    """A copy of the graphs (R,) each with the edits of its row (R, K)."""
    row, column = (rows >= 0).nonzero(as_tuple=True)
    edits = rows[row, column]
    changes = candidates.changes[edits]  # "adding" an edge that exists changes nothing
    return graphs.select(graph).flip(row[changes], candidates.pairs[:, edits[changes]])


def random_order(graph: Tensor, generator: torch.Generator) -> Tensor:
    """The numbers 0 ... M - 1 graph by graph, those of one graph in uniformly random order: sorted
    graphs (M,) -> (M,).
    """
    keys = torch.rand(graph.numel(), generator=generator, dtype=torch.float64).to(graph.device)
    return torch.argsort(graph + keys)
