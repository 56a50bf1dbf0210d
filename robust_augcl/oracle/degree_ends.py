"""The ends of candidates, and the nodes that one candidate changes in two ways.

Letters: N nodes, E directed edges, K candidates that all add or all delete, U different ends of
them, J joints, Q candidates with special neighbours.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges
from robust_augcl.threat.candidates import Candidates


class Ends(NamedTuple):
    """Candidates that all add (a step of 1), or all delete (-1), and their ends.

    Ends that hear from nodes of the same degree count once, since these send the same.

    Args:
        step: 1 or -1.
        numbers: of the candidates (K,).
        nodes: their two ends (2, K).
        end, far_end: the different ends, and a node that each hears from (U,), (U,).
        place: which of the U the two ends of each candidate are (2, K).
    """

    step: int
    numbers: Tensor
    nodes: Tensor
    end: Tensor
    far_end: Tensor
    place: Tensor

    @classmethod
    def of(cls, graphs: PackedGraphs, candidates: Candidates, numbers: Tensor, step: int) -> Ends:
        """The ends of the candidates `numbers` (K,)."""
        nodes = candidates.pairs[:, numbers] + graphs.ptr[candidates.graph[numbers]]
        far_ends = nodes.flip(0)
        keys, place = (nodes * graphs.num_nodes + graphs.degree[far_ends]).unique(
            return_inverse=True
        )
        # Any of the far ends of the same degree.
        far_end = torch.empty_like(keys).scatter_(0, place.flatten(), far_ends.flatten())
        end = torch.div(keys, graphs.num_nodes, rounding_mode="floor")
        return cls(step, numbers, nodes, end, far_end, place)


class Joints(NamedTuple):
    """Neighbours of both ends of a candidate, and neighbours that an end loses by it.

    Args:
        special: the candidates that have any, by their place among the K (Q,).
        owner: of each neighbour of both ends, which of the Q it belongs to (J,).
        edges: the directed edges from either end to it (2, J).
        left_out: of each end, the directed edges along which it sends alone nothing: to neighbours
            of both ends, and, if the candidate deletes, to the other end.
        left_out_by: which of the Q these belong to.
    """

    special: Tensor
    owner: Tensor
    edges: Tensor
    left_out: tuple[Tensor, Tensor]
    left_out_by: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, graphs: PackedGraphs, ends: Ends) -> Joints:
        """The joints of some candidates."""
        size = graphs.num_nodes
        one, other = _wedges(graphs)
        u, w = graphs.edge_index[0, one], graphs.edge_index[0, other]
        place, found = _places(ends.nodes[0] * size + ends.nodes[1], u * size + w)
        one, other = one[found], other[found]
        left_out, by = [one, other], [place, place]
        if ends.step == -1:
            every = torch.arange(len(ends.numbers), device=place.device)
            for side in (0, 1):
                key = ends.nodes[side] * size + ends.nodes[1 - side]
                lost = torch.searchsorted(graphs.edge_keys, key)
                left_out[side] = torch.cat([left_out[side], lost])
                by[side] = torch.cat([by[side], every])
        special = torch.cat(by).unique()
        number = torch.zeros(len(ends.numbers), dtype=torch.long, device=place.device)
        number[special] = torch.arange(len(special), device=place.device)
        return cls(
            special,
            number[place],
            torch.stack([one, other]),
            (left_out[0], left_out[1]),
            (number[by[0]], number[by[1]]),
        )


def reversed_edges(graphs: PackedGraphs) -> Tensor:
    """The number of each directed edge's other direction (E,)."""
    source, target = graphs.edge_index
    return torch.searchsorted(graphs.edge_keys, target * graphs.num_nodes + source)


def _wedges(graphs: PackedGraphs) -> tuple[Tensor, Tensor]:
    """All pairs of directed edges that end in one node, the lower source first."""
    source = graphs.edge_index[0]
    edge = torch.arange(source.numel(), device=graphs.device)
    # The edges of a node are sorted by their target, so those that come after have higher ones.
    after = graphs.first_edge[source + 1] - 1 - edge
    back = reversed_edges(graphs)
    return back[edge.repeat_interleave(after)], back[ranges(edge + 1, after)]


def _places(keys: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
    """Where those of the asked keys are that are among the sorted `keys`, and which these are."""
    if keys.numel() == 0:
        return asked[:0], torch.zeros_like(asked, dtype=torch.bool)
    place = torch.searchsorted(keys, asked).clamp(max=keys.numel() - 1)
    found = keys[place] == asked
    return place[found], found
