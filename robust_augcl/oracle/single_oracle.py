"""The oracle: logits after each of many single edits, by computing only what an edit changes, and
each distinct state once.

An edit of the edge {i, j} changes, in round l, nodes up to r = l - 1 + hops hops away from i or j,
where `hops` is what the encoder declares: rows of a table, one for each candidate and changed node.
Many rows have the same state: it depends on the node's unfolding tree in the edited graph alone
(see unfolding.py). So the trees' hashes travel along the edges first, one integer a row, and a
state is computed once for each distinct tree. With a constant feature, what happens at one end
seldom depends on the other.

Letters: G graphs, N nodes, M edits, R rows, K entries (neighbours of rows), U distinct trees, H
width of a state, S of sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs, ranges, take
from robust_augcl.graphs.unfolding import mixed
from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.oracle.trees import Reached, Trees, distinct_rows, segment_sums

_SALT = 0x9E3779B97F4A7C15
_FEATURE_SALT = 0xD1B54A32D192ED03


@dataclass(frozen=True, eq=False)
class Edits:
    """Single edits of packed graphs: edit m flips the pair of nodes (i[m], j[m]).

    Args:
        graph: the graph of each edit (M,), ascending.
        i, j: its ends, numbered over all graphs (M,).
        adds: whether the edge is added; else it is removed (M,).
    """

    graph: Tensor
    i: Tensor
    j: Tensor
    adds: Tensor

    def __len__(self) -> int:
        return self.graph.numel()

    def part(self, start: int, stop: int) -> Edits:
        """Edits start ... stop - 1."""
        return Edits(
            self.graph[start:stop], self.i[start:stop], self.j[start:stop], self.adds[start:stop]
        )


class Oracle:
    """Clean graphs, prepared for questions about single edits.

    Args:
        encoder: in evaluation mode.
        graphs: the clean graphs.
    """

    def __init__(self, encoder: LocalEncoder, graphs: PackedGraphs) -> None:
        self._encoder, self._graphs = encoder, graphs
        self._hops, self._rounds = encoder.hops_before_first_round, encoder.layers
        self.numbers = range(1 - self._hops, self._rounds + 1)
        """Rounds after which states are others for an edit."""
        nodes = torch.arange(graphs.num_nodes, device=graphs.device)
        source, target = graphs.edge_index
        degree = torch.bincount(source, minlength=graphs.num_nodes)
        self._degree = degree.to(graphs.x.dtype)
        if encoder.self_loops:
            source, target = torch.cat([source, nodes]), torch.cat([target, nodes])
            order = (source * graphs.num_nodes + target).argsort()
            source, target = source[order], target[order]
            degree = degree + 1
        self._edge_keys = source * graphs.num_nodes + target
        self._count = degree  # of neighbours, the node itself among them where there are self-loops
        self._start = degree.cumsum(0) - degree
        self._neighbours = torch.cat(
            [target, target.new_zeros(2)]
        )  # read where added edges' entries go, and written over
        self._find_balls()
        self._run_clean()

    def _find_balls(self) -> None:
        """Distances inside each graph up to the furthest reach, and the nodes around each node by
        radius.
        """
        graphs, far = self._graphs, max(self._rounds - 1 + self._hops, 0)
        device = graphs.device
        size = graphs.sizes[graphs.batch]
        row = size.cumsum(0) - size  # where the distances from each node begin
        self._place = row - graphs.ptr[graphs.batch]  # distance from u to v stands at place[u] + v
        distance = torch.full((int(size.sum()),), far + 1, dtype=torch.int16, device=device)
        nodes = torch.arange(graphs.num_nodes, device=device)
        centre, reached = nodes, nodes
        distance[self._place + nodes] = 0
        for radius in range(1, far + 1):
            counts = self._count[reached]
            centre = torch.repeat_interleave(centre, counts)
            reached = self._neighbours[ranges(self._start[reached], counts)]
            place = self._place[centre] + reached
            distance[place[distance[place] > radius]] = radius
            found = (distance == radius).nonzero().squeeze(1)
            centre = torch.searchsorted(row, found, right=True) - 1
            reached = found - self._place[centre]
        self._distance = distance
        self._balls: list[
            tuple[Tensor, Tensor, Tensor]
        ] = []  # by radius: first member, number of members, members; without the centre
        centre = torch.repeat_interleave(nodes, size)
        for radius in range(far + 1):
            inside = ((distance <= radius) & (distance > 0)).nonzero().squeeze(1)
            counts = torch.bincount(centre[inside], minlength=graphs.num_nodes)
            self._balls.append(
                (counts.cumsum(0) - counts, counts, inside - self._place[centre[inside]])
            )

    def _run_clean(self) -> None:
        """Messages, states and trees of the clean graphs' nodes, by round."""
        graphs, encoder = self._graphs, self._encoder
        columns = mixed(torch.arange(graphs.x.size(1), device=graphs.device), _SALT)
        self._feature_key = mixed(
            mixed(graphs.x.double().view(torch.int64) + columns, _FEATURE_SALT).sum(1),
            _FEATURE_SALT,
        )
        self._keys = [
            self.first_keys(torch.arange(graphs.num_nodes, device=graphs.device), self._degree)
        ]
        self._states = [encoder.first_states(graphs.x)]
        self._messages: list[Tensor] = []
        self._key_sums = [self._keys[0]]  # by round; before the first there are none
        neighbours = self._neighbours[:-2]
        self._sums: dict[int, Tensor] = {}
        for index in range(self._rounds):
            self._messages.append(encoder.message(index, self._states[-1], self._degree))
            pooled = embedding_bag(neighbours, self._messages[-1], self._start, mode="sum")
            self._states.append(encoder.update(index, pooled, graphs.x, self._degree))
            self._key_sums.append(segment_sums(self._keys[-1][neighbours], self._count))
            self._keys.append(mixed(self._key_sums[-1] + self._feature_key, _SALT))
        for number in encoder.summed_rounds:
            nodes = torch.arange(graphs.num_nodes, device=graphs.device)
            self._sums[number] = embedding_bag(
                nodes, self._states[number], graphs.ptr[:-1], mode="sum"
            )

    def first_keys(self, node: Tensor, degree: Tensor) -> Tensor:
        """Trees of nodes before the first round (R,), (R,) -> (R,)."""
        # Mixed once more: a node's own features are no neighbour's.
        own = take(self._feature_key, node)
        return mixed(own + degree.long() if self._hops else own, _SALT)

    def tree_keys(self, node: Tensor, key_sums: Tensor) -> Tensor:
        """Trees of nodes from the sums of their neighbours' (R,), (R,) -> (R,)."""
        return mixed(key_sums + take(self._feature_key, node), _SALT)

    def clean_rounds(self) -> list[Trees]:
        """The clean nodes' states, by round as in `numbers`."""
        last = [self._graphs.x[:0]]
        columns = (
            self._key_sums,
            [self._degree] * (self._rounds + 1),
            self._keys,
            self._states,
            self._messages + last,
        )
        return [Trees(*(column[number] for column in columns)) for number in self.numbers]

    @property
    def first_messages(self) -> Tensor:
        """What the clean nodes send in the first round (N, H)."""
        return self._messages[0]

    def ball(self, radius: int) -> tuple[Tensor, Tensor]:
        """All nodes and those up to a radius around them, themselves among them: two lists of the
        same length.
        """
        _, counts, members = self._balls[radius]
        nodes = torch.arange(self._graphs.num_nodes, device=members.device)
        return torch.cat(
            [nodes, torch.repeat_interleave(nodes, counts, output_size=members.numel())]
        ), torch.cat([nodes, members])

    def distance(self, u: Tensor, v: Tensor) -> Tensor:
        """Distances of nodes of one graph (P,), (P,) -> (P,); what is further away than any edit
        reaches is one more than that.
        """
        return take(self._distance, take(self._place, u) + v)

    def neighbours(self, node: Tensor, more: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """How many neighbours nodes have, and which, each with room for up to two others (R,):
        (R,), (R,) -> (R,), (K,).
        """
        count = take(self._count, node)
        if more is not None:
            count = count + more
        return count, take(self._neighbours, ranges(take(self._start, node), count))

    def clean_sums(self) -> Tensor:
        """Summed node states of the clean graphs (G, S): `LocalEncoder.readout` makes graph states
        of them.
        """
        return torch.cat([self._sums[number] for number in self._encoder.summed_rounds], dim=1)

    def sums(self, edits: Edits) -> Tensor:
        """Summed node states after each edit alone (M, S)."""
        pieces = [self.changed_sums(part, list(self.rounds(part))) for part in self.parts(edits)]
        return torch.cat(pieces) if pieces else self.clean_sums()[:0]

    def parts(self, edits: Edits) -> Iterator[Edits]:
        """Runs of edits of bounded size: of the table of states, and of what travels along edges in
        the last round.
        """
        if len(edits) == 0:
            return
        first, counts, members = self._balls[-1]
        entries = torch.zeros(
            self._graphs.num_nodes + 1, dtype=torch.long, device=self._graphs.device
        )
        entries[1:] = self._count.cumsum(0)
        inside = torch.cat([members.new_zeros(1), self._count[members].cumsum(0)])
        around = inside[first + counts] - inside[first] + self._count
        cost = self._graphs.sizes[edits.graph] + around[edits.i] + around[edits.j]
        number = torch.div(cost.cumsum(0) - cost, limits().entries, rounding_mode="floor")
        start = 0
        for length in torch.unique_consecutive(number, return_counts=True)[1].tolist():
            yield edits.part(start, start + length)
            start += length

    def _rows(self, edits: Edits, radius: int) -> tuple[Tensor, Tensor, Tensor]:
        """Nodes that edits reach within a radius: node (R,), edit (R,), and rows of each edit that
        are not its ends (M,).

        The rows 0 ... 2 M - 1 are the ends, all i before all j; the others follow, edit by edit.
        """
        number = torch.arange(len(edits), device=edits.i.device)
        ends, twice = torch.cat([edits.i, edits.j]), torch.cat([number, number])
        if radius == 0:
            return ends, twice, torch.zeros_like(number)
        first, counts, members = self._balls[radius]
        both = torch.stack([edits.i, edits.j], dim=1).flatten()
        size = take(counts, both)
        node = take(members, ranges(take(first, both), size))
        half = torch.repeat_interleave(
            torch.arange(both.numel(), device=node.device), size, output_size=node.numel()
        )
        edit, second = half >> 1, (half & 1).bool()
        # A node in the reach of both ends is the first end's; an end is not here.
        across = take(self._distance, take(take(self._place, edits.i), edit) + node)
        new = torch.where(second, across > radius, node != take(edits.j, edit))
        node, edit = node.masked_select(new), edit.masked_select(new)
        return (
            torch.cat([ends, node]),
            torch.cat([twice, edit]),
            torch.bincount(edit, minlength=len(edits)),
        )

    def rounds(self, edits: Edits) -> Iterator[tuple[Trees, Reached]]:
        """What edits change, by round as in `numbers`; in one piece."""
        graphs, encoder = self._graphs, self._encoder
        low, high = int(graphs.ptr[edits.graph[0]]), int(graphs.ptr[edits.graph[-1] + 1])
        nothing, changed = high - low, high - low + 1
        size = graphs.sizes[edits.graph]
        # The state of a node after an edit, as a row of a table: its clean state, nothing, or the
        # state of a changed tree.
        begin = size.cumsum(0) - size
        which = ranges(graphs.ptr[edits.graph] - low, size)
        shift = begin - graphs.ptr[edits.graph]
        sign = edits.adds.to(self._degree.dtype) * 2 - 1
        ends = 2 * len(edits)
        message = key = self._messages[0]
        if not self._hops:
            message, key = self._table(0, low, high, self._messages[0][:0], self._keys[0][:0])
        for number in self.numbers:
            node, edit, others = self._rows(edits, number - 1 + self._hops)
            if number:
                first, count, source = self._entries(edits, node, edit, which, shift, nothing)
                key_sum = segment_sums(take(key, source), count)
                tree = self.tree_keys(node, key_sum)
            else:
                key_sum = tree = self.first_keys(node, take(self._degree, node) + take(sign, edit))
            chosen, distinct = distinct_rows(tree)
            own = take(node, chosen)
            degree = take(self._degree, own) + torch.where(
                chosen < ends, take(sign, take(edit, chosen)), 0
            )
            features = take(graphs.x, own)
            if number:
                counts = take(count, chosen)
                into = take(source, ranges(take(first, chosen), counts))
                pooled = embedding_bag(into, message, counts.cumsum(0) - counts, mode="sum")
                states = encoder.update(number - 1, pooled, features, degree)
            else:
                states = encoder.first_states(features)
            keys, sent = take(tree, chosen), graphs.x[:0]
            if number < self._rounds:
                which.scatter_(0, node + take(shift, edit), changed + distinct)
                sent = encoder.message(number, states, degree)
                message, key = self._table(number, low, high, sent, keys)
            yield (
                Trees(take(key_sum, chosen), degree, keys, states, sent),
                Reached(node, edit, others, distinct),
            )

    def _table(
        self, number: int, low: int, high: int, messages: Tensor, keys: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What is sent in a round, and the senders' trees: clean nodes low ... high - 1, nothing,
        changed trees.
        """
        clean, trees = self._messages[number][low:high], self._keys[number][low:high]
        return torch.cat([clean, clean.new_zeros(1, clean.size(1)), messages]), torch.cat(
            [trees, trees.new_zeros(1), keys]
        )

    def _entries(
        self, edits: Edits, node: Tensor, edit: Tensor, which: Tensor, shift: Tensor, nothing: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The neighbours of rows in their edited graphs: first entry (R,), number (R,), states'
        rows in the table (K,).
        """
        count = take(self._count, node)
        added = torch.cat([edits.adds, edits.adds])
        count[: added.numel()] += added.long()
        first = count.cumsum(0) - count
        total = int(count.sum())
        across = torch.cat([edits.j, edits.i])
        neighbour = take(self._neighbours, ranges(take(self._start, node), count))
        last = first[: added.numel()][added] + count[: added.numel()][added] - 1
        neighbour[last] = across[added]
        source = take(
            which, neighbour + torch.repeat_interleave(take(shift, edit), count, output_size=total)
        )
        if not bool(added.all()):
            end, gone = node[: added.numel()][~added], across[~added]
            among = (
                torch.searchsorted(self._edge_keys, end * self._graphs.num_nodes + gone)
                - self._start[end]
            )
            source[first[: added.numel()][~added] + among] = nothing
        return first, count, source

    def changed_sums(self, edits: Edits, rounds: Sequence[tuple[Trees, Reached]]) -> Tensor:
        """Sums over each edited graph's states (M, S): the clean ones, less those that changed,
        plus the new ones.
        """
        many, out = len(edits), []
        for number, (trees, reached) in zip(self.numbers, rounds, strict=True):
            if number not in self._sums:
                continue
            sums = take(self._sums[number], edits.graph)
            for table, rows, add in (
                (trees.states, reached.distinct, 1),
                (self._states[number], reached.node, -1),
            ):
                sums.add_(
                    embedding_bag(rows[: 2 * many].view(2, many).T, table, mode="sum"), alpha=add
                )
                if rows.numel() > 2 * many:
                    sums.add_(
                        embedding_bag(
                            rows[2 * many :],
                            table,
                            reached.others.cumsum(0) - reached.others,
                            mode="sum",
                        ),
                        alpha=add,
                    )
            out.append(sums)
        return torch.cat(out, dim=1)
