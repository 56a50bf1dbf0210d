"""The oracle for pairs: summed node states after two edits, from those after either edit alone.

A node that only one of the two edits reaches has the state that this edit alone makes of it. So
only nodes that both edits reach are computed: the rows. An example, with two rounds: the one edit
adds {a, c}, the other adds {d, f}.

      .--one--.     .-other-.
      |       |     |       |
      a---b---c-----d---e---f

                            a  b  c  d  e  f
      round 1  one reaches  x     x
               other              .  x     x
               rows                             none
      round 2  one reaches  x  x  x  x
               other              x  x  x  x
               rows               *  *          two: (pair, c) and (pair, d)

      slot                  0  1  2  3  4  5  6  7    one for each node of the graph, padded
      bits of the rows      .  .  1  1  .  .  .  .

What a row receives in a round is a sum of messages, and so is its tree's key a function of a sum
of keys. In the example c receives, with messages of a, b and d by who has reached their senders:

      clean       b + d
      one         b + d + a(one)
      other       b + d(other)
      both        b + d(other) + a(one)   =   one + other - clean

This holds where no neighbour of c was a row the round before. If one was, with the key k, then
k(both) - k(one) - k(other) + k(clean) is added to the sum: the interaction. If the neighbour is
joined by an edge that the one edit adds (or removes), k(both) - k(one) is added (or taken away)
instead: what comes along that edge beyond what the one edit alone has sent along it.

Keys are integers, so their sums are exact and this arithmetic is done on keys. Messages are summed
anew, once for each distinct tree.

Letters: G graphs, N nodes, M edits, P pairs of edits, R rows, U distinct trees, K messages, H width
of a state, S of sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import take
from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.oracle.edits import Edits
from robust_augcl.oracle.pair_reach import PairReach, Pairs, Rows
from robust_augcl.oracle.states_alone import StatesAlone
from robust_augcl.oracle.trees import distinct_rows


class _Both(NamedTuple):
    """What both edits of each pair reach in a round.

    Args:
        rows: the pairs and nodes (R).
        beyond: the key after both edits less that after the one, and less that after the other
            (R,), (R,).
        interaction: the key after both, less those after either, plus the clean one (R,).
        tree: of each slot, a row of `sent`; -1 where the slot has no row (slots,).
        sent: messages of the clean nodes and the trees after single edits, then of the trees after
            both (N + U, H).
    """

    rows: Rows
    beyond: tuple[Tensor, Tensor]
    interaction: Tensor
    tree: Tensor
    sent: Tensor


class PairOracle:
    """Clean graphs and single edits of them, prepared for questions about pairs of these edits.

    It holds 4 bytes for each edit, node of its graph and round, and the states and messages of all
    trees that single edits make.

    Args:
        encoder: in evaluation mode.
        graphs: the clean graphs.
        edits: every edit that a pair may hold, one at least.

    Raises:
        TooManyTrees: the trees would take more memory than `Limits.tree_bytes`.
    """

    def __init__(self, encoder: LocalEncoder, graphs: PackedGraphs, edits: Edits) -> None:
        self._encoder, self._graphs, self._edits = encoder, graphs, edits
        self._alone = StatesAlone(encoder, graphs, edits)
        self._oracle = self._alone.oracle
        radii = [number - 1 + encoder.hops_before_first_round for number in self._oracle.numbers]
        self._reach = PairReach(graphs, edits, self._oracle.around, radii)
        self._sign = edits.sign
        self._removes = not bool(edits.adds.all())
        self.clean_sums, self.single_sums = self._oracle.clean_sums(), self._alone.sums
        self._changes = self.single_sums - self.clean_sums[edits.graph]
        self.at_once = self._pairs_at_once()
        """How many pairs are best asked about at once."""

    def _pairs_at_once(self) -> int:
        """Pairs for which the rows, and the neighbours of the rows, stay within the limits."""
        graphs = self._graphs
        reached = self._reach.sizes().double()
        # The rows of a pair, if every node of a graph were as likely to be reached.
        rows = float((reached.square() / graphs.sizes[self._edits.graph]).mean())
        rows *= max(graphs.edge_index.size(1) / graphs.num_nodes / 8, 1)
        by_rows = int(limits().pair_rows / max(rows, 1))
        return max(min(by_rows, limits().pair_places // self._reach.padded), 1)

    def sums(self, one: Tensor, other: Tensor) -> Tensor:
        """Summed node states (P, S) after two different edits of one graph each.

        The edits are given by their numbers, (P,) and (P,).
        """
        out = take(self.single_sums, one).add_(take(self._changes, other))
        pairs = self._reach.pairs(one, other)
        distances = self._reach.distances(pairs)
        before: _Both | None = None
        column = 0
        for place in range(len(self._oracle.numbers)):
            rows = self._reach.rows(place, pairs, distances)
            before, interaction = self._round(place, pairs, rows, before)
            if interaction is not None:
                out[:, column : column + interaction.size(1)] += interaction
                column += interaction.size(1)
        return out

    def _round(
        self, place: int, pairs: Pairs, rows: Rows, before: _Both | None
    ) -> tuple[_Both | None, Tensor | None]:
        """Compute the rows of a round, the one at `place` of the oracle's `numbers`.

        Returned are the rows, if there is a round after this one; and, if the round's states are
        summed, what both edits change in the sum beyond what each changes alone (P, H).
        """
        number, alone = self._oracle.numbers[place], self._alone.rounds[place]
        either = alone.trees_of(rows, pairs)
        degree = alone.combined(alone.degree, rows, either)
        keys = self._keys(place, pairs, rows, either, degree, before)
        chosen, distinct = distinct_rows(keys)
        states, sent = self._trees(place, pairs, rows, chosen, take(degree, chosen), before)
        tree = distinct + alone.keys.numel()
        both, change = None, None
        if number in self._encoder.summed_rounds:
            change = _interaction(states, pairs, rows, tree, either)
        if number < self._encoder.layers:
            tree_of_slot = torch.full((pairs.slots,), -1, dtype=torch.int32, device=tree.device)
            tree_of_slot[rows.slot] = tree.int()
            of_one, of_other = (take(alone.keys, trees) for trees in either)
            beyond = keys - of_one, keys - of_other
            interaction = beyond[0] - of_other + take(alone.keys, rows.node)
            both = _Both(rows, beyond, interaction, tree_of_slot, sent)
        return both, change

    def _keys(
        self,
        place: int,
        pairs: Pairs,
        rows: Rows,
        either: tuple[Tensor, Tensor],
        degree: Tensor,
        before: _Both | None,
    ) -> Tensor:
        """Keys of the rows' trees (R,); `either` are their trees after the one and the other."""
        if self._oracle.numbers[place] == 0:
            return self._oracle.keys.before_first_round(rows.node, degree)
        alone = self._alone.rounds[place]
        key_sums = alone.combined(alone.key_sums, rows, either)
        if before is not None and before.rows.pair.numel():
            # Read only where it is written.
            row_of_slot = torch.empty(pairs.slots, dtype=torch.int32, device=rows.slot.device)
            row_of_slot[rows.slot] = torch.arange(
                rows.slot.numel(), dtype=torch.int32, device=rows.slot.device
            )
            self._add_interactions(key_sums, row_of_slot, pairs, before)
            self._add_across_edits(key_sums, row_of_slot, pairs, before)
        return self._oracle.keys.after_round(rows.node, key_sums)

    def _add_interactions(
        self, key_sums: Tensor, row_of_slot: Tensor, pairs: Pairs, before: _Both
    ) -> None:
        """Add to the rows' sums of keys (R,) the interactions of neighbours that were rows."""
        _, pair, sender = before.rows
        count, receiver = self._oracle.around.neighbours(sender)
        shift = torch.repeat_interleave(
            take(pairs.shift, pair), count, output_size=receiver.numel()
        )
        key = torch.repeat_interleave(before.interaction, count, output_size=receiver.numel())
        key_sums.index_add_(0, take(row_of_slot, receiver - shift), key)

    def _add_across_edits(
        self, key_sums: Tensor, row_of_slot: Tensor, pairs: Pairs, before: _Both
    ) -> None:
        """Add to the rows' sums of keys (R,) what comes along edited edges from former rows."""
        _, pair, sender = before.rows
        for edit, beyond in zip(pairs.edits, before.beyond, strict=True):
            for at, receiver, sign in self._across(take(edit, pair), sender):
                row = take(row_of_slot, pairs.slot(take(pair, at), receiver))
                key_sums.index_add_(0, row, take(beyond, at) * sign)

    def _across(self, edit: Tensor, node: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Where a node is an end of an edit, for (R,) edits and nodes.

        Yields, for the ends i and j: which of the R (K,), the other end (K,), and 1 for an added
        edge, -1 for a removed one (K,).
        """
        for end, far_end in ((self._edits.i, self._edits.j), (self._edits.j, self._edits.i)):
            at = (take(end, edit) == node).nonzero().squeeze(1)
            edits = take(edit, at)
            yield at, take(far_end, edits), take(self._sign, edits)

    def _trees(
        self,
        place: int,
        pairs: Pairs,
        rows: Rows,
        chosen: Tensor,
        degree: Tensor,
        before: _Both | None,
    ) -> tuple[Tensor, Tensor]:
        """States and messages: those of `Alone`, then those of the chosen rows (N + U, H).

        Shapes: chosen (U,) numbers of rows, one of each distinct tree; their degree (U,).
        """
        number, alone = self._oracle.numbers[place], self._alone.rounds[place]
        states, new_states = alone.states.with_room(chosen.numel())
        sent, newly_sent = alone.sent.with_room(chosen.numel())
        node, pair = take(rows.node, chosen), take(rows.pair, chosen)
        for start in range(0, chosen.numel(), limits().trees):
            part = slice(start, start + limits().trees)
            features = take(self._graphs.x, node[part])
            if number == 0:
                new_states[part] = self._encoder.first_states(features)
            else:
                pooled = self._pooled(place, pairs, node[part], pair[part], before)
                new_states[part] = self._encoder.update(number - 1, pooled, features, degree[part])
            if number < self._encoder.layers:
                newly_sent[part] = self._encoder.message(number, new_states[part], degree[part])
        return states, sent

    def _pooled(
        self, place: int, pairs: Pairs, node: Tensor, pair: Tensor, before: _Both | None
    ) -> Tensor:
        """Sums of the messages that nodes of pairs receive after both edits (U,), (U,) -> (U, H).

        After the neighbours of each node follow the far ends of edited edges. Where an edge is
        removed, this takes away what came along it.
        """
        across = [found for edit in pairs.edits for found in self._across(take(edit, pair), node)]
        more = torch.zeros_like(node)
        for at, _, _ in across:
            more.index_add_(0, at, torch.ones_like(at))
        count, neighbour = self._oracle.around.neighbours(node, more)
        first = count.cumsum(0) - count
        table = self._oracle.first_messages if before is None else before.sent
        weight = torch.ones_like(neighbour, dtype=table.dtype) if self._removes else None
        free = first + count - more
        for at, far_end, sign in across:
            place_of = take(free, at)
            neighbour[place_of] = far_end
            free.index_add_(0, at, torch.ones_like(at))
            if weight is not None:
                weight[place_of] = sign.to(weight.dtype)
        receiver = torch.repeat_interleave(
            torch.arange(node.numel(), device=node.device), count, output_size=neighbour.numel()
        )
        sender = neighbour
        if before is not None:
            sender = self._senders(place, pairs, pair, receiver, neighbour, before).long()
        return embedding_bag(sender, table, first, mode="sum", per_sample_weights=weight)

    def _senders(
        self,
        place: int,
        pairs: Pairs,
        pair: Tensor,
        receiver: Tensor,
        neighbour: Tensor,
        before: _Both,
    ) -> Tensor:
        """What neighbours send to receivers of pairs (U,): rows of `before.sent` (K,).

        Shapes: receiver (K,) one of the U, neighbour (K,) a node.
        """
        # A node that was no row was reached by one edit at the most. What an edit has reached has
        # a larger number than clean nodes, and what both have reached a larger one still.
        trees = self._alone.rounds[place - 1].tree
        first = [take(self._alone.base, take(edit, pair)) for edit in pairs.edits]
        either = torch.maximum(*(take(trees, take(start, receiver) + neighbour) for start in first))
        slot = neighbour - take(take(pairs.shift, pair), receiver)
        return torch.maximum(either, take(before.tree, slot))


def _interaction(
    states: Tensor, pairs: Pairs, rows: Rows, tree: Tensor, either: tuple[Tensor, Tensor]
) -> Tensor:
    """What both edits change in the sum of states beyond what each changes alone (P, H).

    That is the sum, over the rows, of the state after both edits, less those after either, plus
    the clean one.
    """
    four = torch.stack([tree, either[0].long(), either[1].long(), rows.node], dim=1).flatten()
    one = torch.ones_like(rows.node, dtype=states.dtype)
    sign = torch.stack([one, -one, -one, one], dim=1).flatten()
    count = 4 * torch.bincount(rows.pair, minlength=pairs.one.numel())
    return embedding_bag(four, states, count.cumsum(0) - count, mode="sum", per_sample_weights=sign)
