"""Graph augmentations (GraphCL, You et al. 2020, arXiv 2010.13902, section 3.1), for whole batches of graphs at once.

Letters: G graphs, N nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from robust_augcl.graphs import PackedGraphs, concatenate

AugmentationName = Literal["node_drop", "subgraph"]


@dataclass(frozen=True)
class Augmentation:
    """One augmentation and how strong it is.

    Args:
        name: "node_drop" leaves out this share of the nodes, "subgraph" keeps this share and one more.
        ratio: in [0, 1).

    Raises:
        ValueError: a ratio out of range.
    """

    name: AugmentationName
    ratio: float

    def __post_init__(self) -> None:
        if not 0 <= self.ratio < 1:
            raise ValueError(f"Expected `ratio` to be at least 0 and below 1, got {self.ratio}")


def augment(graphs: PackedGraphs, choices: Sequence[Augmentation], generator: torch.Generator) -> PackedGraphs:
    """Return a view of every graph, each by one of `choices`, drawn uniformly for each graph."""
    if len(choices) == 1:
        return _APPLY[choices[0].name](graphs, choices[0].ratio, generator)
    drawn = torch.randint(len(choices), (graphs.num_graphs,), generator=generator).to(graphs.device)
    order = torch.argsort(drawn, stable=True)
    counts = torch.bincount(drawn, minlength=len(choices)).tolist()
    views = []
    for choice, index in zip(choices, order.split(counts), strict=True):
        if index.numel():
            views.append(_APPLY[choice.name](graphs.select(index), choice.ratio, generator))
    return concatenate(views).select(torch.argsort(order))


def node_drop(graphs: PackedGraphs, ratio: float, generator: torch.Generator) -> PackedGraphs:
    """Leave out floor(n * ratio) random nodes of each graph of n nodes: the induced subgraph of the others."""
    keys = torch.rand(graphs.num_nodes, generator=generator, dtype=torch.float64).to(graphs.device)
    order = torch.argsort(graphs.batch + keys)  # each graph's nodes in a random order
    rank = torch.empty_like(order)
    rank[order] = torch.arange(graphs.num_nodes, device=graphs.device)
    rank -= graphs.ptr[graphs.batch]
    drop = _share(graphs.sizes, ratio).clamp(max=graphs.sizes - 1)
    return graphs.keep_nodes(rank >= drop[graphs.batch])


def subgraph(graphs: PackedGraphs, ratio: float, generator: torch.Generator) -> PackedGraphs:
    """Keep the nodes of a random walk from a random node: floor(n * ratio) + 1 of them, or what n steps reach.

    GraphCL's and AUGCL's code draws every node from the neighbours of the first one (a union is computed and discarded) and
    adds self-loops; the connected random walk of the paper is meant, and done here.
    """
    first_edge = torch.searchsorted(graphs.edge_index[0].contiguous(), torch.arange(graphs.num_nodes + 1, device=graphs.device))
    degree = first_edge.diff()
    targets = graphs.edge_index[1]
    wanted = _share(graphs.sizes, ratio) + 1
    steps_left = graphs.sizes.clone()
    at = graphs.ptr[:-1] + _below(graphs.sizes, generator)
    keep = torch.zeros(graphs.num_nodes, dtype=torch.bool, device=graphs.device)
    keep[at] = True
    kept = torch.ones_like(wanted)
    walking = (kept < wanted) & (degree[at] > 0)
    while bool(walking.any()):
        edge = first_edge[at] + _below(degree[at].clamp(min=1), generator)
        at = torch.where(walking, targets[edge.clamp(max=targets.numel() - 1)], at)
        kept += walking & ~keep[at]
        keep[at] = True
        steps_left -= walking.long()
        walking &= (kept < wanted) & (steps_left > 0)
    return graphs.keep_nodes(keep)


def _share(sizes: Tensor, ratio: float) -> Tensor:
    return (sizes.double() * ratio + 1e-9).floor().long()  # the small term keeps 0.1 of 30 at 3


def _below(bound: Tensor, generator: torch.Generator) -> Tensor:
    """One uniform whole number below each bound: (K,) -> (K,)."""
    draw = torch.rand(bound.numel(), generator=generator, dtype=torch.float64).to(bound.device)
    return (draw * bound).long().clamp(max=bound - 1)


_APPLY: dict[AugmentationName, Callable[[PackedGraphs, float, torch.Generator], PackedGraphs]] = {
    "node_drop": node_drop,
    "subgraph": subgraph,
}
