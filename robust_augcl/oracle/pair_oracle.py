"""The oracle for pairs: summed node states after two edits, from those after either alone.

Where the two edits do not both reach a node, its state is what the one that does makes of it. Where
both do, the messages that it receives in a round add up to those after the one, plus those after
the other, less the clean ones, plus corrections: from neighbours that both edits have reached the
round before. So only nodes that both edits reach are computed: in graphs with few edges one or two
in the second round, of seven that one of them reaches. Equal trees are computed once, as in
oracle.py.

Letters: G graphs, N nodes, M edits, P pairs of edits, R rows (a pair, and a node that both reach),
U distinct trees, B bytes of a set of nodes, K messages, H width of a state, S of sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs, ranges, take
from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.oracle.single_oracle import Edits, Oracle
from robust_augcl.oracle.trees import distinct_rows


class _Table:
    """Rows that stay (N, H), and room for others after them."""

    def __init__(self, rows: Tensor) -> None:
        self._many, self._room = rows.size(0), rows

    def room(self, many: int) -> tuple[Tensor, Tensor]:
        """What stays and `many` rows after it, and these rows alone, for others to write to; until
        the next call.
        """
        end = self._many + many
        if end > self._room.size(0):
            self._room = torch.cat(
                [self._room[: self._many], self._room.new_empty(2 * many, self._room.size(1))]
            )
        return self._room[:end], self._room[self._many : end]


class _Alone(NamedTuple):
    """States after a round: of the clean nodes (N), then of trees that single edits make (U).

    Args:
        key_sums, degree: what a state is made of, beside messages (N + U,), (N + U,).
        keys: its tree (N + U,).
        states, sent: it, and its message in the next round (N + U, H).
        which: the state of each node of its graph after each edit, edit by edit; its own number
            where the edit does not reach it.
    """

    key_sums: Tensor
    degree: Tensor
    keys: Tensor
    states: _Table
    sent: _Table
    which: Tensor


class _Both(NamedTuple):
    """What both edits of a pair reach in a round; rows by pair, then node.

    Args:
        pair, node: (R,).
        beyond: keys of trees after both edits, less those after the one, and less those after the
            other (R,), (R,).
        interaction: less both, plus the clean ones (R,).
        states: the rows of the states of `_Alone`, then of distinct trees, by the nodes of each
            pair, padded; -1 where there is no row.
        sent: messages of these trees (N + U, H).
    """

    pair: Tensor
    node: Tensor
    beyond: tuple[Tensor, Tensor]
    interaction: Tensor
    states: Tensor
    sent: Tensor


class TooManyTrees(Exception):
    """The single edits make more distinct states than may be held at once."""


class PairOracle:
    """Clean graphs and single edits of them, prepared for questions about pairs of these edits.

    It holds 4 bytes for each edit, node of its graph and round, and the states and messages of all
    trees that single edits make.

    Args:
        encoder: in evaluation mode.
        graphs: the clean graphs.
        edits: every edit that a pair may hold, one at least.

    Raises:
        TooManyTrees: where the trees would take more than about a quarter of a GiB.
    """

    def __init__(self, encoder: LocalEncoder, graphs: PackedGraphs, edits: Edits) -> None:
        self._encoder, self._graphs, self._edits = encoder, graphs, edits
        self._oracle = Oracle(encoder, graphs)
        self._radii = [
            number - 1 + encoder.hops_before_first_round for number in self._oracle.numbers
        ]
        size = graphs.sizes[edits.graph]
        self._base = (
            size.cumsum(0) - size - graphs.ptr[edits.graph]
        )  # the state of node v after edit m stands at base[m] + v
        self._low = graphs.ptr[edits.graph]
        self._sign = edits.adds.long() * 2 - 1
        self._removes = not bool(edits.adds.all())
        self._find_reach()
        self._run_alone()

    def _find_reach(self) -> None:
        """Sets of nodes of a graph as bits: around each node by radius, and around each edit."""
        graphs, edits, device = self._graphs, self._edits, self._graphs.device
        self._padded = (int(graphs.sizes.max()) + 7) // 8 * 8
        local = torch.arange(graphs.num_nodes, device=device) - graphs.ptr[graphs.batch]
        value = 2 ** torch.arange(8, device=device)
        around = [
            torch.zeros(graphs.num_nodes, self._padded // 8, dtype=torch.uint8, device=device)
        ]  # of radius -1: nothing
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
        counts = (
            take(self._bit_counts, self._reach[-1].long().flatten())
            .view(len(edits), -1)
            .sum(1)
            .double()
        )
        rows = float(
            (counts.square() / graphs.sizes[edits.graph]).mean()
        )  # of a pair, if all nodes were as likely to be reached
        rows *= max(
            graphs.edge_index.size(1) / graphs.num_nodes / 8, 1
        )  # each row hears from its neighbours
        self.at_once = max(
            min(int(limits().pair_rows / max(rows, 1)), limits().pair_places // self._padded), 1
        )
        """Pairs that are best asked about at once."""

    def _run_alone(self) -> None:
        """What each edit changes by itself."""
        oracle, edits = self._oracle, self._edits
        tables = [[clean] for clean in oracle.clean_rounds()]
        clean = ranges(self._low, self._graphs.sizes[edits.graph]).int()
        which = [clean.clone() for _ in tables]
        rows, start, sums, held = (
            [self._graphs.num_nodes] * len(tables),
            0,
            [oracle.clean_sums()[:0]],
            0,
        )
        for part in oracle.parts(edits):
            rounds = list(oracle.rounds(part))
            base = self._base[start : start + len(part)]
            for place, (trees, reached) in enumerate(rounds):
                which[place][take(base, reached.edit) + reached.node] = (
                    reached.distinct + rows[place]
                ).int()
                tables[place].append(trees)
                rows[place] += trees.keys.numel()
                held += sum(values.numel() * values.element_size() for values in trees)
            if (
                held > limits().tree_bytes
                # where features tell all nodes apart there is a tree for each edit and node that it
                # reaches
            ):
                raise TooManyTrees
            sums.append(oracle.changed_sums(part, rounds))
            start += len(part)
        self._alone = []
        for table, places in zip(tables, which, strict=True):
            key_sums, degree, keys, states, sent = (
                torch.cat(column) for column in zip(*table, strict=True)
            )
            self._alone.append(_Alone(key_sums, degree, keys, _Table(states), _Table(sent), places))
        self.clean_sums = oracle.clean_sums()
        self.single_sums = torch.cat(sums)
        self._changes = self.single_sums - self.clean_sums[edits.graph]

    def sums(self, one: Tensor, other: Tensor) -> Tensor:
        """Summed node states after two different edits of one graph, given by their numbers: (P,),
        (P,) -> (P, S).
        """
        out = take(self.single_sums, one).add_(take(self._changes, other))
        ends = [(take(self._edits.i, edit), take(self._edits.j, edit)) for edit in (one, other)]
        apart = torch.stack([self._oracle.distance(u, v) for u in ends[0] for v in ends[1]])
        both: _Both | None = None
        column = 0
        for place in range(len(self._oracle.numbers)):
            both, change = self._round(
                place, one, other, self._reached(place, one, other, apart), both
            )
            if change is not None:
                out[:, column : column + change.size(1)] += change
                column += change.size(1)
        return out

    def _reached(self, place: int, one: Tensor, other: Tensor, apart: Tensor) -> Tensor:
        """The nodes that both edits reach when both are made, as bits, removed edges as if they
        were there (P, B).

        `apart` are the distances between the ends of the edits (4, P): i to i, i to j, j to i, j to
        j.
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
                    left = (radius - across).clamp(
                        min=0
                    )  # less the step across, plus 1: see `_around`
                    out[near] |= take(self._around, left * self._graphs.num_nodes + take(end, edit))
        return out

    def _round(
        self, place: int, one: Tensor, other: Tensor, reached: Tensor, before: _Both | None
    ) -> tuple[_Both | None, Tensor | None]:
        """The rows of a round, if it is not the last; and what both edits change in its sum of
        states, if that is asked for (P, H).
        """
        oracle, alone, number = self._oracle, self._alone[place], self._oracle.numbers[place]
        bits = reached.flatten()
        at = bits.nonzero().squeeze(1)
        value = take(bits, at).long()
        counts = take(self._bit_counts, value)
        bit = take(self._bits, ranges(take(self._first_bit, value), counts))
        slot = (
            torch.repeat_interleave(at * 8, counts, output_size=bit.numel()) + bit
        )  # pair * padded size + number in its graph
        pair = torch.div(slot, self._padded, rounding_mode="floor")
        shift = take(self._low, one) - torch.arange(one.numel(), device=one.device) * self._padded
        node = slot + take(shift, pair)
        apart = [
            take(alone.which, take(take(self._base, edit), pair) + node) for edit in (one, other)
        ]
        many = alone.keys.numel()

        def combined(table: Tensor) -> Tensor:
            return take(table, apart[0]).add_(take(table, apart[1])).sub_(take(table, node))

        degree = combined(alone.degree)
        if number == 0:
            tree = oracle.first_keys(node, degree)
        else:
            key_sums = combined(alone.key_sums)
            if before is not None and before.pair.numel():
                self._correct(key_sums, before, one, other, slot, shift)
            tree = oracle.tree_keys(node, key_sums)
        chosen, distinct = distinct_rows(tree)
        own, own_pair, own_degree = take(node, chosen), take(pair, chosen), take(degree, chosen)
        states, of_both = alone.states.room(chosen.numel())
        sent, sent_by_both = alone.sent.room(chosen.numel())
        for start in range(0, chosen.numel(), limits().trees):
            part = slice(start, start + limits().trees)
            features = take(self._graphs.x, own[part])
            if number == 0:
                of_both[part] = self._encoder.first_states(features)
            else:
                pooled = self._pooled(place, one, other, own[part], own_pair[part], shift, before)
                of_both[part] = self._encoder.update(number - 1, pooled, features, own_degree[part])
            if number < self._encoder.layers:
                sent_by_both[part] = self._encoder.message(number, of_both[part], own_degree[part])
        both, change = None, None
        if number in self._encoder.summed_rounds:
            rows = torch.stack(
                [distinct + many, apart[0].long(), apart[1].long(), node], dim=1
            ).flatten()
            plus = torch.ones_like(node, dtype=states.dtype)
            sign = torch.stack([plus, -plus, -plus, plus], dim=1).flatten()
            counts = 4 * torch.bincount(pair, minlength=one.numel())
            change = embedding_bag(
                rows, states, counts.cumsum(0) - counts, mode="sum", per_sample_weights=sign
            )
        if number < self._encoder.layers:
            place_of = torch.full(
                (one.numel() * self._padded,), -1, dtype=torch.int32, device=one.device
            )
            place_of[slot] = (distinct + many).int()
            keys = [take(alone.keys, part) for part in apart]
            beyond = (tree - keys[0], tree - keys[1])
            both = _Both(
                pair, node, beyond, beyond[0] - keys[1] + take(alone.keys, node), place_of, sent
            )
        return both, change

    def _correct(
        self,
        key_sums: Tensor,
        before: _Both,
        one: Tensor,
        other: Tensor,
        slot: Tensor,
        shift: Tensor,
    ) -> None:
        """Add to sums of keys (R,) what comes from nodes that both edits have reached the round
        before.
        """
        row_at = torch.empty(
            one.numel() * self._padded, dtype=torch.int32, device=one.device
        )  # read only where it is written
        row_at[slot] = torch.arange(slot.numel(), dtype=torch.int32, device=one.device)
        before_shift = take(shift, before.pair)
        count, neighbour = self._oracle.neighbours(before.node)
        receiver = neighbour - torch.repeat_interleave(
            before_shift, count, output_size=neighbour.numel()
        )
        key = torch.repeat_interleave(before.interaction, count, output_size=neighbour.numel())
        key_sums.index_add_(0, take(row_at, receiver), key)
        for edit, beyond in zip((one, other), before.beyond, strict=True):
            for sender, across, sign in self._flips(take(edit, before.pair), before.node):
                key_sums.index_add_(
                    0,
                    take(row_at, across - take(before_shift, sender)),
                    take(beyond, sender) * sign,
                )

    def _flips(self, edit: Tensor, node: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Where a node is an end of an edit (R,), (R,): which rows, the other end, and 1 for an
        added edge, -1 for a removed one (K,).
        """
        for end, across in ((self._edits.i, self._edits.j), (self._edits.j, self._edits.i)):
            rows = (take(end, edit) == node).nonzero().squeeze(1)
            edge = take(edit, rows)
            yield rows, take(across, edge), take(self._sign, edge)

    def _pooled(
        self,
        place: int,
        one: Tensor,
        other: Tensor,
        own: Tensor,
        pair: Tensor,
        shift: Tensor,
        before: _Both | None,
    ) -> Tensor:
        """Sums of the messages that nodes receive after both edits (U,), (U,) -> (U, H)."""
        edits = (take(one, pair), take(other, pair))
        bases, shifts = [take(self._base, edit) for edit in edits], take(shift, pair)
        table = self._oracle.first_messages if before is None else before.sent

        def sender(rows: Tensor, node: Tensor) -> Tensor:
            if before is None:
                return node
            # At most one edit has reached a node for which there is no row, and what is reached has
            # a larger number than clean nodes.
            which = self._alone[place - 1].which
            alone = torch.maximum(*(take(which, take(base, rows) + node) for base in bases))
            return torch.maximum(alone, take(before.states, node - take(shifts, rows)))

        # After the neighbours of each node those along flipped edges; where an edge is removed,
        # that takes away what came along it.
        flips = [flip for edit in edits for flip in self._flips(edit, own)]
        more = torch.zeros_like(own)
        for rows, _, _ in flips:
            more.index_add_(0, rows, torch.ones_like(rows))
        count, neighbour = self._oracle.neighbours(own, more)
        first = count.cumsum(0) - count
        place_of, weight = first + count - more, None
        if self._removes:
            weight = torch.ones_like(neighbour, dtype=table.dtype)
        for rows, across, sign in flips:
            at = take(place_of, rows)
            neighbour[at] = across
            place_of.index_add_(0, rows, torch.ones_like(rows))
            if weight is not None:
                weight[at] = sign.to(weight.dtype)
        rows = torch.repeat_interleave(
            torch.arange(own.numel(), device=own.device), count, output_size=neighbour.numel()
        )
        return embedding_bag(
            sender(rows, neighbour).long(), table, first, mode="sum", per_sample_weights=weight
        )
