"""Who hears from changed nodes, near a target.

Letters: T different targets, n nodes, Q questions, R rows (a question, and a node), M answers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges, take
from robust_augcl.oracle.node_questions import Questioned

Hearers = tuple[Tensor, Tensor]
"""Places of senders among the rows that are asked about (M,), and the rows that hear them (M,)."""


class NearHearers:
    """The hearers up to some hops from the target, of neighbours of the clean graph.

    They lie near in the clean graph, or at the end of a shortcut that edits add, or beyond it.

    Args:
        graph: the clean graph.
        asked: the questions.
        limit: how near to its target a hearer must be.
        self_loops: whether a node hears itself.
    """

    def __init__(
        self, graph: PackedGraphs, asked: Questioned, limit: int, *, self_loops: bool
    ) -> None:
        self._graph, self._asked, self._limit = graph, asked, limit
        self._self_loops = self_loops

    def in_clean_graph(self, rows: Tensor) -> Hearers:
        """The hearers that are near in the clean graph. Few of a hub's neighbours are."""
        asked, size = self._asked, self._asked.size
        target, node = (asked.distances <= self._limit).nonzero(as_tuple=True)
        receiver, sender = self._neighbours(node)
        key = take(target, receiver) * size + sender
        heard_by = take(node, receiver)
        order = key.argsort(stable=True)
        key, heard_by = take(key, order), take(heard_by, order)
        question = torch.div(rows, size, rounding_mode="floor")
        wanted = take(asked.row, question) * size + rows - question * size
        first = torch.searchsorted(key, wanted)
        count = torch.searchsorted(key, wanted, right=True) - first
        place = torch.repeat_interleave(count)
        return place, take(question, place) * size + take(heard_by, ranges(first, count))

    def at_shortcuts(self, rows: Tensor) -> Hearers:
        """The hearers at which shortcuts end, in questions with nothing near beyond them."""
        asked, size = self._asked, self._asked.size
        question = asked.ends // size
        far = asked.distances_at(asked.ends) > self._limit
        at_end = far & (asked.nearness <= self._limit)
        at_end &= take(asked.shortcut, question) == self._limit
        end = take(asked.ends, at_end.nonzero().squeeze(1))
        # Each of these ends with all rows of its question.
        of_end = end // size
        first = torch.searchsorted(rows, of_end * size)
        count = torch.searchsorted(rows, (of_end + 1) * size) - first
        hearer, place = torch.repeat_interleave(end, count), ranges(first, count)
        sender = take(rows, place)
        heard = self._graph.has_edges(sender % size, hearer % size)
        if self._self_loops:
            heard = heard | (sender == hearer)
        heard = heard.nonzero().squeeze(1)
        return take(place, heard), take(hearer, heard)

    def beyond_shortcuts(self, rows: Tensor) -> Hearers:
        """The other hearers, in questions in which more is near than the end of a shortcut."""
        asked, size = self._asked, self._asked.size
        beyond = take(asked.shortcut, torch.div(rows, size, rounding_mode="floor")) < self._limit
        senders = beyond.nonzero().squeeze(1)
        own = take(rows, senders)
        place, neighbour = self._neighbours(own % size)
        hearer = take(own - own % size, place) + neighbour
        near = asked.distances_at(hearer) > self._limit
        near &= asked.nearness_at(hearer) <= self._limit
        near = near.nonzero().squeeze(1)
        return take(take(senders, place), near), take(hearer, near)

    def _neighbours(self, node: Tensor) -> tuple[Tensor, Tensor]:
        """Places of nodes (R,), each once for each neighbour, and these (M,)."""
        graph = self._graph
        count = take(graph.degree, node)
        place = torch.repeat_interleave(count)
        found = take(graph.edge_index[1], ranges(take(graph.first_edge, node), count))
        if self._self_loops:
            place = torch.cat([place, torch.arange(node.numel(), device=node.device)])
            found = torch.cat([found, node])
        return place, found
