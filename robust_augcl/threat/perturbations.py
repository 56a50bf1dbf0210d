"""Perturbations: edits of graphs, how they are packed, applied, and checked for their form.

Letters: G graphs, K edits of all graphs, k additions and r removals of one graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.errors import ThreatViolation
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs


def _no_pairs() -> Tensor:
    return torch.zeros(2, 0, dtype=torch.long)


@dataclass(frozen=True, eq=False)
class Perturbation:
    """Edits of one graph: undirected edges added (2, k) and removed (2, r), each once.

    >>> edge, none = torch.tensor([[0], [2]]), torch.empty(2, 0, dtype=torch.long)
    >>> Perturbation(added=edge, removed=none).num_edits
    1
    """

    added: Tensor = field(default_factory=_no_pairs)
    removed: Tensor = field(default_factory=_no_pairs)

    @property
    def num_edits(self) -> int:
        return self.added.size(1) + self.removed.size(1)

    def apply(self, data: Data) -> Data:
        """Return a new graph with the edits; `data` is not touched.

        Edge attributes are left out: `apply_all` keeps those of packed graphs.
        """
        return apply_all(PackedGraphs.from_data_list([data]), [self])[0]


def check_form(index: int, perturbation: Perturbation) -> None:
    """Raise `ThreatViolation` for what is no plain `Perturbation` of plain tensors.

    A subclass could say one thing and do another.
    """
    if type(perturbation) is not Perturbation:
        raise ThreatViolation(
            f"Expected a Perturbation for graph {index}, got {type(perturbation).__name__}"
        )
    for name in ("added", "removed"):
        pairs = getattr(perturbation, name)
        if (
            type(pairs) is not Tensor
            or pairs.dtype != torch.long
            or pairs.dim() != 2
            or pairs.size(0) != 2
        ):
            got = (
                f"{pairs.dtype} of shape {tuple(pairs.shape)}"
                if isinstance(pairs, Tensor)
                else type(pairs).__name__
            )
            raise ThreatViolation(
                f"Expected `{name}` of graph {index} to be whole numbers of shape (2, k), got {got}"
            )


def pack_edits(perturbations: Sequence[Perturbation]) -> tuple[Tensor, Tensor, Tensor]:
    """All edits in one set of tensors, on the CPU: graph (K,), pairs (2, K), added (K,) bool."""
    counts = torch.tensor(
        [[p.added.size(1), p.removed.size(1)] for p in perturbations], dtype=torch.long
    ).reshape(-1, 2)
    graph = torch.repeat_interleave(
        torch.arange(len(perturbations)).repeat_interleave(2), counts.flatten()
    )
    added = torch.repeat_interleave(
        torch.tensor([True, False]).repeat(len(perturbations)), counts.flatten()
    )
    pieces = [pairs.cpu() for p in perturbations for pairs in (p.added, p.removed)]
    return graph, torch.cat(pieces, dim=1) if pieces else _no_pairs(), added


def apply_all(graphs: PackedGraphs, perturbations: Sequence[Perturbation]) -> PackedGraphs:
    """Return new graphs with the edits applied, one perturbation a graph.

    Targets of one graph that all have the very same perturbation share the edited graph. Nothing is
    checked here.
    """
    if isinstance(graphs, NodeTargets) and graphs.num_graphs > 1:
        first = perturbations[0]
        if graphs.flips[0].numel() == 0 and all(each is first for each in perturbations):
            edited = apply_all(graphs.select(torch.zeros(1, dtype=torch.long)), [first])
            assert isinstance(edited, NodeTargets)
            return graphs.edited_together(edited.flips[1])
    graph, pairs, added = (part.to(graphs.device) for part in pack_edits(perturbations))
    ends = pairs + graphs.ptr[graph]
    effective = added != graphs.has_edges(ends[0], ends[1])  # adding what is there changes nothing
    return graphs.flip(graph[effective], pairs[:, effective])
