"""The oracle for single edits: the summed node states of a graph after each of many edits.

It computes only what an edit changes, and each distinct state once.

An edit of the edge {i, j} changes, in round l, nodes up to l - 1 + hops hops away from i or j. The
encoder declares `hops`. Each edit and node that it changes is a row. Many rows have the same state,
since a state depends on the node's unfolding tree in the edited graph alone. So the keys of the
trees, one integer a row, travel along the edges first. Then a state is computed once for each
distinct tree. With a constant feature, what happens at one end of an edit seldom depends on the
other end.

Letters: G graphs, N nodes, M edits, R rows, K neighbours of rows, U distinct trees, T rows of a
table of messages, H width of a state, S of sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges, take
from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.oracle.edits import Edits
from robust_augcl.oracle.neighbourhoods import Distances, Neighbourhoods, Reached, parts_of
from robust_augcl.oracle.trees import TreeKeys, Trees, distinct_rows, segment_sums


class Changed(NamedTuple):
    """What edits change in a round.

    Args:
        trees: the distinct trees of the nodes that they change.
        reached: these nodes.
        distinct: the tree of each of them, a row of `trees` (R,).
    """

    trees: Trees
    reached: Reached
    distinct: Tensor


class _Sent(NamedTuple):
    """What is sent in a round: a table of messages (T, H), and of the keys of their senders (T,).

    Its rows are the clean nodes of the graphs that are asked about, then one that is nothing, then
    the changed trees.
    """

    messages: Tensor
    keys: Tensor


class _Senders:
    """For each edit and node of its graph, the row of `_Sent` that holds what the node sends.

    Args:
        graphs: the clean graphs.
        edits: those asked about, at least one.
    """

    def __init__(self, graphs: PackedGraphs, edits: Edits) -> None:
        self.low = int(graphs.ptr[edits.graph[0]])
        self.high = int(graphs.ptr[edits.graph[-1] + 1])
        self.nothing = self.high - self.low
        size, first = graphs.sizes[edits.graph], graphs.ptr[edits.graph]
        # That of node v after edit m stands at shift[m] + v. At first every node is clean.
        self._shift = size.cumsum(0) - size - first
        self._row = ranges(first - self.low, size)

    def change(self, reached: Reached, distinct: Tensor) -> None:
        """Let nodes send what their changed trees send: `distinct` are rows of `Trees` (R,)."""
        place = reached.node + take(self._shift, reached.edit)
        self._row.scatter_(0, place, self.nothing + 1 + distinct)

    def rows(self, edit: Tensor, count: Tensor, neighbour: Tensor) -> Tensor:
        """What neighbours (K,) send after an edit (R,), `count` neighbours of each (R,): (K,)."""
        shift = torch.repeat_interleave(
            take(self._shift, edit), count, output_size=neighbour.numel()
        )
        return take(self._row, neighbour + shift)


def furthest(encoder: LocalEncoder) -> int:
    """How many hops away from an end of an edit a node lies that it changes, at most."""
    return max(encoder.layers - 1 + encoder.hops_before_first_round, 0)


class SingleOracle:
    """Clean graphs, prepared for questions about single edits.

    Args:
        encoder: in evaluation mode.
        graphs: the clean graphs.
        distances: those inside the graphs, up to `furthest(encoder)`, if they are known.
    """

    def __init__(
        self, encoder: LocalEncoder, graphs: PackedGraphs, distances: Distances | None = None
    ) -> None:
        self._encoder, self._graphs = encoder, graphs
        self._hops, self._rounds = encoder.hops_before_first_round, encoder.layers
        self.numbers = range(1 - self._hops, self._rounds + 1)
        """The rounds after which an edit has changed states; 0 is before the first round."""
        self.keys = TreeKeys(graphs.x, by_degree=bool(self._hops))
        """The keys of nodes' trees."""
        self.around = Neighbourhoods(
            graphs,
            self_loops=encoder.self_loops,
            reach=furthest(encoder),
            distances=distances,
        )
        """Who is near whom."""
        self._degree = graphs.degree.to(graphs.x.dtype)
        self._clean = self._clean_rounds()
        nodes = torch.arange(graphs.num_nodes, device=graphs.device)
        self._clean_sums = {
            number: embedding_bag(nodes, self._clean[number].states, graphs.ptr[:-1], mode="sum")
            for number in encoder.summed_rounds
        }

    def _clean_rounds(self) -> list[Trees]:
        """States, trees and messages of the clean nodes, by round from 0; one row a node."""
        graphs, encoder, around = self._graphs, self._encoder, self.around
        nodes = torch.arange(graphs.num_nodes, device=graphs.device)
        keys = key_sums = self.keys.before_first_round(nodes, self._degree)
        states = encoder.first_states(graphs.x)
        rounds = []
        for index in range(self._rounds):
            sent = encoder.message(index, states, self._degree)
            rounds.append(Trees(key_sums, self._degree, keys, states, sent))
            pooled = embedding_bag(around.all_neighbours, sent, around.start, mode="sum")
            states = encoder.update(index, pooled, graphs.x, self._degree)
            key_sums = segment_sums(keys[around.all_neighbours], around.count)
            keys = self.keys.after_round(nodes, key_sums)
        rounds.append(Trees(key_sums, self._degree, keys, states, graphs.x[:0]))
        return rounds

    def clean_rounds(self) -> list[Trees]:
        """The clean nodes, one row each, by round as in `numbers`."""
        return [self._clean[number] for number in self.numbers]

    @property
    def first_messages(self) -> Tensor:
        """What the clean nodes send in the first round (N, H)."""
        return self._clean[0].sent

    def clean_sums(self) -> Tensor:
        """Summed node states of the clean graphs (G, S).

        `LocalEncoder.readout` makes graph states of them.
        """
        sums = [self._clean_sums[number] for number in self._encoder.summed_rounds]
        return torch.cat(sums, dim=1)

    def sums(self, edits: Edits) -> Tensor:
        """Summed node states after each edit alone (M, S)."""
        pieces = [self.changed_sums(part, list(self.rounds(part))) for part in self.parts(edits)]
        return torch.cat(pieces) if pieces else self.clean_sums()[:0]

    def parts(self, edits: Edits) -> Iterator[Edits]:
        """Consecutive edits, few enough for their states and neighbours to be held at once."""
        return parts_of(edits, self._graphs, self.around, limits().entries)

    def rounds(self, edits: Edits) -> Iterator[Changed]:
        """What edits change, by round as in `numbers`; all edits at once, one at least."""
        senders = _Senders(self._graphs, edits)
        before: Changed | None = None
        for number in self.numbers:
            reached = self.around.reached(edits, number - 1 + self._hops)
            if number == 0:
                changed = self._before_first_round(edits, reached)
            else:
                if before is not None:
                    senders.change(before.reached, before.distinct)
                sent = self._sent(number - 1, senders, before)
                changed = self._after_round(number, edits, reached, senders, sent)
            yield changed
            before = changed

    def _before_first_round(self, edits: Edits, reached: Reached) -> Changed:
        """What edits change before any message is sent: the degrees of their ends."""
        node, edit, _ = reached
        degree = take(self._degree, node) + take(edits.sign.to(self._degree.dtype), edit)
        keys = self.keys.before_first_round(node, degree)
        chosen, distinct = distinct_rows(keys)
        keys, degree = take(keys, chosen), take(degree, chosen)
        states = self._encoder.first_states(take(self._graphs.x, take(node, chosen)))
        sent = self._encoder.message(0, states, degree)
        return Changed(Trees(keys, degree, keys, states, sent), reached, distinct)

    def _after_round(
        self, number: int, edits: Edits, reached: Reached, senders: _Senders, sent: _Sent
    ) -> Changed:
        """What edits change by the end of a round, from what is sent in it."""
        count, sender = self._received(edits, reached, senders)
        key_sums = segment_sums(take(sent.keys, sender), count)
        keys = self.keys.after_round(reached.node, key_sums)
        chosen, distinct = distinct_rows(keys)
        node, counts = take(reached.node, chosen), take(count, chosen)
        is_end = chosen < 2 * len(edits)
        sign = take(edits.sign.to(self._degree.dtype), take(reached.edit, chosen))
        degree = take(self._degree, node) + torch.where(is_end, sign, 0)
        first = take(count.cumsum(0) - count, chosen)
        pooled = embedding_bag(
            take(sender, ranges(first, counts)),
            sent.messages,
            counts.cumsum(0) - counts,
            mode="sum",
        )
        states = self._encoder.update(number - 1, pooled, take(self._graphs.x, node), degree)
        messages = self._graphs.x[:0]
        if number < self._rounds:
            messages = self._encoder.message(number, states, degree)
        trees = Trees(take(key_sums, chosen), degree, take(keys, chosen), states, messages)
        return Changed(trees, reached, distinct)

    def _sent(self, index: int, senders: _Senders, changed: Changed | None) -> _Sent:
        """What is sent in the round `index`, counted from 0."""
        clean = self._clean[index]
        messages, keys = (
            clean.sent[senders.low : senders.high],
            clean.keys[senders.low : senders.high],
        )
        more = [] if changed is None else [changed.trees]
        return _Sent(
            torch.cat([messages, messages.new_zeros(1, messages.size(1)), *(m.sent for m in more)]),
            torch.cat([keys, keys.new_zeros(1), *(m.keys for m in more)]),
        )

    def _received(self, edits: Edits, reached: Reached, senders: _Senders) -> tuple[Tensor, Tensor]:
        """What nodes receive in their edited graphs: how many messages (R,), rows of `_Sent` (K,).

        An added edge is one more neighbour of its ends. A removed one leaves a neighbour that sends
        nothing.
        """
        adds, across = torch.cat([edits.adds, edits.adds]), torch.cat([edits.j, edits.i])
        more = torch.zeros_like(reached.node)
        more[: adds.numel()] = adds.long()
        count, neighbour = self.around.neighbours(reached.node, more)
        first = count.cumsum(0) - count
        of_ends, first_of_ends = count[: adds.numel()], first[: adds.numel()]
        neighbour[first_of_ends[adds] + of_ends[adds] - 1] = across[adds]
        sender = senders.rows(reached.edit, count, neighbour)
        if not bool(adds.all()):
            end, gone = reached.node[: adds.numel()][~adds], across[~adds]
            place = first_of_ends[~adds] + self.around.place_among(end, gone)
            sender[place] = senders.nothing
        return count, sender

    def changed_sums(self, edits: Edits, rounds: Sequence[Changed]) -> Tensor:
        """Sums of each edited graph's states (M, S).

        They are the clean sums, plus the states that are new, less the clean states of the same
        nodes.
        """
        out = []
        for number, (trees, reached, distinct) in zip(self.numbers, rounds, strict=True):
            if number in self._clean_sums:
                sums = take(self._clean_sums[number], edits.graph)
                _add_rows(sums, trees.states, distinct, reached.others, sign=1)
                _add_rows(sums, self._clean[number].states, reached.node, reached.others, sign=-1)
                out.append(sums)
        return torch.cat(out, dim=1)


def _add_rows(sums: Tensor, table: Tensor, rows: Tensor, others: Tensor, *, sign: int) -> None:
    """Add rows of a table (., H) to the sums (M, H) of their edits; the order is `Reached`'s."""
    many = sums.size(0)
    ends = rows[: 2 * many].view(2, many).T
    sums.add_(embedding_bag(ends, table, mode="sum"), alpha=sign)
    if rows.numel() > 2 * many:
        of_others = embedding_bag(rows[2 * many :], table, others.cumsum(0) - others, mode="sum")
        sums.add_(of_others, alpha=sign)
