"""Which nodes both edits of a pair reach: sets of nodes as bits, and rows that are made of them.

A pair of edits has a slot for each node of its graph. Graphs are padded to the same whole number of
bytes, so that

    slot = pair * padded + number of the node within its graph.

Letters: N nodes, M edits, P pairs of edits, R rows (a pair, and a node that both edits reach),
B bytes of a set of nodes, A ends of a pair's edits that are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges, take
from robust_augcl.oracle.edits import Edits
from robust_augcl.oracle.neighbourhoods import Neighbourhoods


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of different edits of one graph that are asked about at once.

    Args:
        one, other: the numbers of the two edits (P,), (P,).
        shift: of each pair: a node's number over all graphs, less its slot (P,).
        slots: how many there are.
    """

    one: Tensor
    other: Tensor
    shift: Tensor
    slots: int

    @property
    def edits(self) -> tuple[Tensor, Tensor]:
        """The first edits, and the second ones."""
        return self.one, self.other

    def slot(self, pair: Tensor, node: Tensor) -> Tensor:
        """The slots of nodes: (R,), (R,) -> (R,)."""
        return node - take(self.shift, pair)


class Rows(NamedTuple):
    """Pairs, and nodes that both edits reach, by pair, then node.

    Args:
        slot, pair, node: of each row (R,), (R,), (R,).
    """

    slot: Tensor
    pair: Tensor
    node: Tensor


class PairReach:
    """The nodes that edits reach, by round, as bits.

    Args:
        graphs: the clean graphs.
        edits: every edit that a pair may hold.
        around: who is near whom.
        radii: how far an edit reaches, by round.
    """

    def __init__(
        self, graphs: PackedGraphs, edits: Edits, around: Neighbourhoods, radii: list[int]
    ) -> None:
        self._graphs, self._edits, self._distances, self._radii = graphs, edits, around, radii
        self._low = graphs.ptr[edits.graph]
        self.padded = (int(graphs.sizes.max()) + 7) // 8 * 8
        """Slots of a pair: the nodes of the largest graph, rounded up to whole bytes."""
        self._list_bits()
        sets = [
            torch.zeros(graphs.num_nodes, self.padded // 8, dtype=torch.uint8, device=graphs.device)
        ]
        sets += [self._ball(radius) for radius in radii]
        # The set of radius r around node v stands at (r + 1) * N + v. Of radius -1 it is empty.
        self._around = torch.cat(sets)
        self._reach = [ball[edits.i] | ball[edits.j] for ball in sets[1:]]

    def _list_bits(self) -> None:
        """List the bits of each value of a byte, value after value."""
        self._bit_value = 2 ** torch.arange(8, device=self._graphs.device)
        values = torch.arange(256, device=self._graphs.device)
        is_set = (values.unsqueeze(1) & self._bit_value) > 0
        self._bit_count, self._bits = is_set.sum(1), is_set.nonzero()[:, 1]
        self._first_bit = self._bit_count.cumsum(0) - self._bit_count

    def _ball(self, radius: int) -> Tensor:
        """The set of nodes up to a radius around each node (N, B)."""
        many, device = self._graphs.num_nodes, self._graphs.device
        number = torch.arange(many, device=device) - self._graphs.ptr[self._graphs.batch]
        inside = torch.zeros(many, self.padded, dtype=torch.bool, device=device)
        centre, member = self._distances.ball(radius)
        inside[centre, number[member]] = True
        return (inside.view(many, -1, 8) * self._bit_value).sum(2).to(torch.uint8)

    def sizes(self) -> Tensor:
        """How many nodes each edit reaches at last (M,)."""
        last = self._reach[-1].long()
        return take(self._bit_count, last.flatten()).view(last.size(0), -1).sum(1)

    def pairs(self, one: Tensor, other: Tensor) -> Pairs:
        """Return pairs of edits, given by their numbers (P,), (P,), with their slots."""
        first_slot = torch.arange(one.numel(), device=one.device) * self.padded
        return Pairs(one, other, take(self._low, one) - first_slot, one.numel() * self.padded)

    def distances(self, pairs: Pairs) -> Tensor:
        """Distances between the ends of the edits (4, P): i to i, i to j, j to i, j to j."""
        of_one, of_other = (
            (take(self._edits.i, edit), take(self._edits.j, edit)) for edit in pairs.edits
        )
        return torch.stack([self._distances.distance(u, v) for u in of_one for v in of_other])

    def rows(self, place: int, pairs: Pairs, distances: Tensor) -> Rows:
        """The nodes that both edits reach in the round at `place`; `distances` as returned."""
        sets = self._of_both(place, pairs, distances).flatten()
        at = sets.nonzero().squeeze(1)
        value = take(sets, at).long()
        count = take(self._bit_count, value)
        bit = take(self._bits, ranges(take(self._first_bit, value), count))
        slot = torch.repeat_interleave(at * 8, count, output_size=bit.numel()) + bit
        pair = torch.div(slot, self.padded, rounding_mode="floor")
        return Rows(slot, pair, slot + take(pairs.shift, pair))

    def _of_both(self, place: int, pairs: Pairs, distances: Tensor) -> Tensor:
        """The nodes that both edits reach when both are made, as bits (P, B).

        An edge that one edit removes counts as if it were still there.
        """
        radius = self._radii[place]
        out = take(self._reach[place], pairs.one) & take(self._reach[place], pairs.other)
        near = (distances.amin(0) < radius).nonzero().squeeze(1)
        if near.numel():
            # The other edit may reach an edge that the one adds, and reach further along it.
            ii, ij, ji, jj = distances.index_select(1, near).long()
            for edit, to_i, to_j in (
                (take(pairs.one, near), torch.minimum(ii, ij), torch.minimum(ji, jj)),
                (take(pairs.other, near), torch.minimum(ii, ji), torch.minimum(ij, jj)),
            ):
                for end, to_far_end in ((self._edits.i, to_j), (self._edits.j, to_i)):
                    # What is left of the radius, less the step across. `_around` adds 1 to it.
                    row = (radius - to_far_end).clamp(min=0)
                    out[near] |= take(self._around, row * self._graphs.num_nodes + take(end, edit))
        return out
