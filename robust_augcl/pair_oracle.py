"""The oracle for pairs: summed node states after two edits, from those after either alone.

Where the two edits do not both reach a node, its state is what the one that does makes of it. Where both do, the messages that it receives
in a round add up to those after the one, plus those after the other, less the clean ones, plus corrections: from neighbours that both
edits have reached the round before. So only nodes that both edits reach are computed: in graphs with few edges one or two in the second
round, of seven that one of them reaches. Equal trees are computed once, as in oracle.py.

Letters: G graphs, N nodes, M edits, P pairs of edits, R rows (a pair, and a node that both reach), U distinct trees, B bytes of a set of
nodes, K corrections, H width of a state, S of sums.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from robust_augcl.encoder import LocalEncoder
from robust_augcl.graphs import PackedGraphs, ranges
from robust_augcl.oracle import Edits, Oracle, distinct_rows, take


class _Alone(NamedTuple):
    """States after a round: of the clean nodes (N), then of trees that single edits make (U).

    Args:
        key_sums, pooled, degree: what a state is made of (N + U,), (N + U, H), (N + U,).
        keys, states, sent: its tree, the state, and its message in the next round (N + U,), (N + U, H), (N + U, H).
        which: the state of each node of its graph after each edit, edit by edit.
    """

    key_sums: Tensor
    pooled: Tensor
    degree: Tensor
    keys: Tensor
    states: Tensor
    sent: Tensor
    which: Tensor


class _Both(NamedTuple):
    """Nodes that both edits of a pair reach in a round, by pair, then node.

    Args:
        pair, node: (R,).
        one, other: their states after either edit alone, as rows of `_Alone` (R,).
        distinct: those after both, as rows of what follows (R,).
        keys, sent: (U,), (U, H).
    """

    pair: Tensor
    node: Tensor
    one: Tensor
    other: Tensor
    distinct: Tensor
    keys: Tensor
    sent: Tensor

    def beyond(self, after: Tensor, alone: Tensor, rows: Tensor, less: str) -> Tensor:
        """What rows (K,) send, or their keys, after both edits, beyond what they do after the one, the other, or both apart."""
        value = take(after, take(self.distinct, rows))
        if less != "other":
            value -= take(alone, take(self.one, rows))
        if less != "one":
            value -= take(alone, take(self.other, rows))
        return value.add_(take(alone, take(self.node, rows))) if less == "apart" else value


class _Corrections(NamedTuple):
    """Messages that two edits change beyond what either does: senders, as rows of a `_Both`, and receivers, as rows of the next (K,).

    Args:
        sign: -1 along an edge that is removed, 1 along one that is added (K,); None along others.
        less: see `_Both.beyond`.
    """

    sender: Tensor
    receiver: Tensor
    sign: Tensor | None
    less: str


class PairOracle:
    """Clean graphs and single edits of them, prepared for questions about pairs of these edits.

    It holds 4 bytes for each edit, node of its graph and round, and the states of all trees that single edits make.

    Args:
        encoder: in evaluation mode.
        graphs: the clean graphs.
        edits: every edit that a pair may hold.
    """

    def __init__(self, encoder: LocalEncoder, graphs: PackedGraphs, edits: Edits) -> None:
        self._encoder, self._graphs, self._edits = encoder, graphs, edits
        self._oracle = Oracle(encoder, graphs)
        self._radii = [number - 1 + encoder.hops_before_first_round for number in self._oracle.numbers]
        size = graphs.sizes[edits.graph]
        self._base = size.cumsum(0) - size - graphs.ptr[edits.graph]  # the state of node v after edit m stands at base[m] + v
        self._low = graphs.ptr[edits.graph]
        self._sign = edits.adds.long() * 2 - 1
        self._find_reach()
        self._run_alone()

    def _find_reach(self) -> None:
        """Sets of nodes of a graph as bits: around each node by radius, and around each edit."""
        graphs, edits, device = self._graphs, self._edits, self._graphs.device
        self._padded = (int(graphs.sizes.max()) + 7) // 8 * 8
        local = torch.arange(graphs.num_nodes, device=device) - graphs.ptr[graphs.batch]
        value = 2 ** torch.arange(8, device=device)
        around = [torch.zeros(graphs.num_nodes, self._padded // 8, dtype=torch.uint8, device=device)]  # of radius -1: nothing
        for radius in self._radii:
            inside = torch.zeros(graphs.num_nodes, self._padded, dtype=torch.bool, device=device)
            centre, member = self._oracle.ball(radius)
            inside[centre, local[member]] = True
            around.append((inside.view(graphs.num_nodes, -1, 8) * value).sum(2).to(torch.uint8))
        self._around = torch.cat(around)  # of radius r around node v at (r + 1) * N + v
        self._reach = [part[edits.i] | part[edits.j] for part in around[1:]]
        every = torch.arange(256, device=device)
        there = (every.unsqueeze(1) & value) > 0
        self._bit_counts, self._bits = there.sum(1), there.nonzero()[:, 1]
        self._first_bit = self._bit_counts.cumsum(0) - self._bit_counts

    def _run_alone(self) -> None:
        """What each edit changes by itself."""
        oracle, edits = self._oracle, self._edits
        tables = [[clean] for clean in oracle.clean_rounds()]
        clean = ranges(self._low, self._graphs.sizes[edits.graph]).int()
        which = [clean.clone() for _ in tables]
        rows, start, sums = [self._graphs.num_nodes] * len(tables), 0, [oracle.clean_sums()[:0]]
        for part in oracle.parts(edits):
            rounds = list(oracle.rounds(part))
            base = self._base[start : start + len(part)]
            for place, (trees, reached) in enumerate(rounds):
                which[place][take(base, reached.edit) + reached.node] = (reached.distinct + rows[place]).int()
                tables[place].append(trees)
                rows[place] += trees.keys.numel()
            sums.append(oracle.changed_sums(part, rounds))
            start += len(part)
        self._alone = [
            _Alone(*(torch.cat(column) for column in zip(*table, strict=True)), which=w) for table, w in zip(tables, which, strict=True)
        ]
        self._sums = torch.cat(sums)
        self._changes = self._sums - oracle.clean_sums()[edits.graph]

    def sums(self, one: Tensor, other: Tensor) -> Tensor:
        """Summed node states after two different edits of one graph, given by their numbers: (P,), (P,) -> (P, S)."""
        out = take(self._sums, one).add_(take(self._changes, other))
        ends = [(take(self._edits.i, edit), take(self._edits.j, edit)) for edit in (one, other)]
        apart = torch.stack([self._oracle.distance(u, v) for u in ends[0] for v in ends[1]])
        both: _Both | None = None
        column = 0
        for place, number in enumerate(self._oracle.numbers):
            both, states = self._round(place, one, other, self._reached(place, one, other, apart), both)
            if number in self._encoder.summed_rounds:
                width = states.size(1)
                self._correct(out[:, column : column + width], self._alone[place].states, both, states)
                column += width
        return out

    def _reached(self, place: int, one: Tensor, other: Tensor, apart: Tensor) -> Tensor:
        """The nodes that both edits reach when both are made, as bits, removed edges as if they were there (P, B).

        `apart` are the distances between the ends of the edits (4, P): i to i, i to j, j to i, j to j.
        """
        radius = self._radii[place]
        out = take(self._reach[place], one) & take(self._reach[place], other)
        near = (apart.amin(0) < radius).nonzero().squeeze(1)
        if near.numel():
            # Along an edge that the one adds, the other reaches further.
            ii, ij, ji, jj = apart.index_select(1, near).long()
            for edit, to_i, to_j in (
                (take(one, near), torch.minimum(ii, ij), torch.minimum(ji, jj)),
                (take(other, near), torch.minimum(ii, ji), torch.minimum(ij, jj)),
            ):
                for end, across in ((self._edits.i, to_j), (self._edits.j, to_i)):
                    left = (radius - across).clamp(min=0)  # less the step across, plus 1: see `_around`
                    out[near] |= take(self._around, left * self._graphs.num_nodes + take(end, edit))
        return out

    def _round(self, place: int, one: Tensor, other: Tensor, reached: Tensor, before: _Both | None) -> tuple[_Both, Tensor]:
        """The rows of a round, and the states of distinct trees (U, H)."""
        alone, number = self._alone[place], self._oracle.numbers[place]
        bits = reached.flatten()
        at = bits.nonzero().squeeze(1)
        value = take(bits, at).long()
        counts = take(self._bit_counts, value)
        bit = take(self._bits, ranges(take(self._first_bit, value), counts))
        slot = torch.repeat_interleave(at * 8, counts, output_size=bit.numel()) + bit  # pair * padded size + number in its graph
        pair = torch.div(slot, self._padded, rounding_mode="floor")
        shift = take(self._low, one) - torch.arange(one.numel(), device=one.device) * self._padded
        node = slot + take(shift, pair)
        by_one, by_other = (take(alone.which, take(take(self._base, edit), pair) + node) for edit in (one, other))

        def combined(table: Tensor, rows: Tensor | None = None) -> Tensor:
            index = [part if rows is None else take(part, rows) for part in (by_one, by_other, node)]
            return take(table, index[0]).add_(take(table, index[1])).sub_(take(table, index[2]))

        corrections = []
        if before is not None and before.pair.numel():
            row_at = torch.empty(one.numel() * self._padded, dtype=torch.int32, device=one.device)  # read only where it is written
            row_at[slot] = torch.arange(slot.numel(), dtype=torch.int32, device=one.device)
            corrections = self._corrections(before, one, other, row_at, shift)
        key_sums = combined(alone.key_sums)
        if number == 0:
            tree = self._oracle.first_keys(node, combined(alone.degree))
        else:
            for c in corrections:
                key = before.beyond(before.keys, self._alone[place - 1].keys, c.sender, c.less)
                key_sums.index_add_(0, c.receiver, key if c.sign is None else key * c.sign)
            tree = self._oracle.tree_keys(node, key_sums)
        chosen, distinct = distinct_rows(tree)
        own, degree = take(node, chosen), combined(alone.degree, chosen)
        features = take(self._graphs.x, own)
        if number == 0:
            states = self._encoder.first_states(features)
        else:
            pooled = combined(alone.pooled, chosen)
            stands = torch.zeros_like(tree, dtype=torch.bool).index_fill_(0, chosen, True)
            for c in corrections:
                mine = take(stands, c.receiver).nonzero().squeeze(1)
                message = before.beyond(before.sent, self._alone[place - 1].sent, take(c.sender, mine), c.less)
                if c.sign is not None:
                    message *= take(c.sign, mine).unsqueeze(1)
                pooled.index_add_(0, take(distinct, take(c.receiver, mine)), message)
            states = self._encoder.update(number - 1, pooled, features, degree)
        sent = self._encoder.message(number, states, degree) if number < self._encoder.layers else states[:0]
        return _Both(pair, node, by_one, by_other, distinct, take(tree, chosen), sent), states

    def _corrections(self, before: _Both, one: Tensor, other: Tensor, row_at: Tensor, shift: Tensor) -> list[_Corrections]:
        """What the rows of a round send in the next one; `row_at` and `shift` find the rows of that."""
        count, neighbour = self._oracle.neighbours(before.node)
        sender = torch.repeat_interleave(torch.arange(before.node.numel(), device=one.device), count, output_size=neighbour.numel())
        before_shift = take(shift, before.pair)
        out = [_Corrections(sender, take(row_at, neighbour - take(before_shift, sender)), None, "apart")]
        for edit, less in ((one, "one"), (other, "other")):
            mine = take(edit, before.pair)
            for end, across in ((self._edits.i, self._edits.j), (self._edits.j, self._edits.i)):
                sender = (take(end, mine) == before.node).nonzero().squeeze(1)
                edge = take(mine, sender)
                receiver = take(row_at, take(across, edge) - take(before_shift, sender))
                out.append(_Corrections(sender, receiver, take(self._sign, edge), less))
        return out

    def _correct(self, out: Tensor, alone: Tensor, both: _Both, states: Tensor) -> None:
        """Add what both edits change in the sums of a round (P, H), beyond what each does."""
        if both.pair.numel() == 0:
            return
        counts = torch.bincount(both.pair, minlength=out.size(0))
        first = counts.cumsum(0) - counts
        out += embedding_bag(both.distinct, states, first, mode="sum")
        apart = torch.stack([both.one.long(), both.other.long(), both.node], dim=1).flatten()
        sign = out.new_tensor([-1, -1, 1]).repeat(both.pair.numel())
        out += embedding_bag(apart, alone, 3 * first, mode="sum", per_sample_weights=sign)
