"""Graph augmentations, for whole batches of graphs at once.

Source: GraphCL (You et al. 2020, arXiv 2010.13902, section 3.1).

Letters: G graphs, N nodes, K things.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from robust_augcl.graphs.concatenated import concatenate
from robust_augcl.graphs.packed import PackedGraphs

AugmentationName = Literal["node_drop", "edge_perturbation", "attribute_masking", "subgraph"]


@dataclass(frozen=True)
class Augmentation:
    """One augmentation and its strength.

    Args:
        name: "node_drop" leaves out this share of the nodes. "edge_perturbation" takes away this
            share of the edges and puts in as many new ones. "attribute_masking" sets the features
            of this share of the nodes to 0. "subgraph" keeps this share of the nodes and one more.
        ratio: the share, in [0, 1).

    Raises:
        ValueError: the ratio is out of range.

    >>> Augmentation("node_drop", 0.2)
    Augmentation(name='node_drop', ratio=0.2)
    >>> Augmentation("node_drop", 1.0)
    Traceback (most recent call last):
    ValueError: Expected `ratio` to be at least 0 and below 1, got 1.0
    """

    name: AugmentationName
    ratio: float

    def __post_init__(self) -> None:
        if not 0 <= self.ratio < 1:
            raise ValueError(f"Expected `ratio` to be at least 0 and below 1, got {self.ratio}")


def augment(
    graphs: PackedGraphs, choices: Sequence[Augmentation], generator: torch.Generator
) -> PackedGraphs:
    """Return a view of every graph, each made by one of `choices`.

    The augmentation is drawn uniformly for each graph.

    >>> from torch_geometric.data import Data
    >>> triangle = torch.tensor([[0, 1, 0, 2, 1, 2], [1, 0, 2, 0, 2, 1]])
    >>> graph = Data(x=torch.ones(3, 1), edge_index=triangle, y=torch.tensor([0]))
    >>> graphs = PackedGraphs.from_data_list([graph, graph])
    >>> generator = torch.Generator().manual_seed(0)
    >>> view = augment(graphs, [Augmentation("node_drop", 0.4)], generator)
    >>> view.sizes.tolist(), view.num_undirected_edges.tolist()
    ([2, 2], [1, 1])
    """
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
    """Leave out floor(n * ratio) random nodes of each graph of n nodes.

    The view is the induced subgraph of the other nodes. At least one node stays.
    """
    drop = _share(graphs.sizes, ratio).clamp(max=graphs.sizes - 1)
    return graphs.keep_nodes(~_draw(graphs.batch, graphs.ptr, drop, generator))


def attribute_masking(
    graphs: PackedGraphs, ratio: float, generator: torch.Generator
) -> PackedGraphs:
    """Set all features of floor(n * ratio) random nodes of each graph of n nodes to 0.

    AUGCL's code masks in the same way.
    """
    masked = _draw(graphs.batch, graphs.ptr, _share(graphs.sizes, ratio), generator)
    return replace(graphs, x=graphs.x.masked_fill(masked.unsqueeze(1), 0.0))


def edge_perturbation(
    graphs: PackedGraphs, ratio: float, generator: torch.Generator
) -> PackedGraphs:
    """Replace floor(m * ratio) random edges of each graph of m undirected edges by new ones.

    The new edges were not there before. A graph that lacks fewer edges gets all that it lacks.
    GraphCL's code draws the new ends independently, which may give loops, edges that exist, and
    edges in one direction only.
    """
    source, target = graphs.edge_index[:, graphs.edge_index[0] < graphs.edge_index[1]]
    graph = graphs.batch[source]
    ptr = torch.cat([graphs.ptr.new_zeros(1), graphs.num_undirected_edges.cumsum(0)])
    count = _share(graphs.num_undirected_edges, ratio)
    removed = _draw(graph, ptr, count, generator)
    size = graphs.sizes
    pairs = size * (size - 1) // 2
    missing = pairs - graphs.num_undirected_edges
    # The pairs i < j of a graph are numbered row by row: `rank` is an edge's number. A hole is a
    # pair that is no edge. `holes` says how many holes come before each edge; so the number of a
    # hole is its place among the holes plus the number of the edges before it.
    first, n = source - graphs.ptr[graph], size[graph]
    rank = first * (2 * n - first - 1) // 2 + (target - source) - 1
    begins = torch.cat([pairs.new_zeros(1), pairs.cumsum(0)])
    edges_before = torch.arange(rank.numel(), device=rank.device) - ptr[graph]
    holes = rank - edges_before + begins[graph]
    new_graph, hole = _distinct(missing, torch.minimum(count, missing), generator)
    before = torch.searchsorted(holes, hole + begins[new_graph], right=True) - ptr[new_graph]
    i, j = _pair(hole + before, size[new_graph])
    flipped = torch.stack(
        [torch.cat([first[removed], i]), torch.cat([(target - graphs.ptr[graph])[removed], j])]
    )
    return graphs.flip(torch.cat([graph[removed], new_graph]), flipped)


def subgraph(graphs: PackedGraphs, ratio: float, generator: torch.Generator) -> PackedGraphs:
    """Keep the nodes of a random walk that starts at a random node.

    The walk stops when it has seen floor(n * ratio) + 1 nodes, or after n steps. A graph without
    nodes stays as it is.

    The code of GraphCL and AUGCL draws every node from the neighbours of the first one (it computes
    a union and discards it) and adds self-loops. The paper means a connected random walk, and that
    is what is done here.
    """
    first_edge = torch.searchsorted(
        graphs.edge_index[0].contiguous(), torch.arange(graphs.num_nodes + 1, device=graphs.device)
    )
    degree = first_edge.diff()
    targets = graphs.edge_index[1]
    wanted = _share(graphs.sizes, ratio) + 1
    steps_left = graphs.sizes.clone()
    start = graphs.ptr[:-1] + _below(graphs.sizes, generator)
    there = graphs.sizes > 0
    keep = torch.zeros(graphs.num_nodes, dtype=torch.bool, device=graphs.device)
    keep[start[there]] = True
    # A walk that is nowhere never moves. It waits at a node of another graph.
    at = start.clamp(min=0, max=max(graphs.num_nodes - 1, 0))
    kept = torch.ones_like(wanted)
    walking = (kept < wanted) & there
    walking[there] &= degree[start[there]] > 0
    while bool(walking.any()):
        edge = first_edge[at] + _below(degree[at].clamp(min=1), generator)
        at = torch.where(walking, targets[edge.clamp(max=targets.numel() - 1)], at)
        kept += walking & ~keep[at]
        keep[at[walking]] = True
        steps_left -= walking.long()
        walking &= (kept < wanted) & (steps_left > 0)
    return graphs.keep_nodes(keep)


def _draw(graph: Tensor, ptr: Tensor, count: Tensor, generator: torch.Generator) -> Tensor:
    """Draw `count` things of each graph, where the things are sorted by graph.

    Shapes: graph (K,), ptr with the first thing of each graph (G + 1,), count (G,) -> (K,) bool.
    """
    keys = torch.rand(graph.numel(), generator=generator, dtype=torch.float64).to(graph.device)
    order = torch.argsort(graph + keys)  # each graph's things in a random order
    rank = torch.empty_like(order)
    rank[order] = torch.arange(graph.numel(), device=graph.device)
    return rank - ptr[graph] < count[graph]


def _distinct(bound: Tensor, count: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw `count` different whole numbers below each bound.

    No count may be above its bound.

    Shapes: bound (G,), count (G,) -> the graph of each number, and the numbers, both (sum of
    counts,).
    """
    start = torch.cat([bound.new_zeros(1), bound.cumsum(0)])
    taken = bound.new_empty(0)
    need = count
    while bool((need > 0).any()):
        graph = torch.repeat_interleave(torch.arange(bound.numel(), device=bound.device), need)
        taken = torch.cat([taken, start[graph] + _below(bound[graph], generator)]).unique()
        need = count - torch.bincount(
            torch.searchsorted(start, taken, right=True) - 1, minlength=bound.numel()
        )
    graph = torch.searchsorted(start, taken, right=True) - 1
    return graph, taken - start[graph]


def _pair(rank: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pair i < j of each rank; pairs are counted row by row in a graph of that size.

    Shapes: rank (K,), size (K,) -> (K,), (K,).
    """
    width = 2 * size - 1
    i = ((width - (width.double().square() - 8 * rank).sqrt()) / 2).floor().long()
    # The root is rounded: at the start of a row it may be off by one.
    i -= (i * (width - i) // 2 > rank).long()
    i += ((i + 1) * (width - i - 1) // 2 <= rank).long()
    return i, rank - i * (width - i) // 2 + i + 1


def _share(sizes: Tensor, ratio: float) -> Tensor:
    # The small term keeps 0.1 of 30 at 3, which binary floating point puts just below.
    return (sizes.double() * ratio + 1e-9).floor().long()


def _below(bound: Tensor, generator: torch.Generator) -> Tensor:
    """Return one uniform whole number below each bound: (K,) -> (K,)."""
    draw = torch.rand(bound.numel(), generator=generator, dtype=torch.float64).to(bound.device)
    return (draw * bound).long().clamp(max=bound - 1)


_APPLY: dict[AugmentationName, Callable[[PackedGraphs, float, torch.Generator], PackedGraphs]] = {
    "node_drop": node_drop,
    "edge_perturbation": edge_perturbation,
    "attribute_masking": attribute_masking,
    "subgraph": subgraph,
}
