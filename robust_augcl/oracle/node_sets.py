"""The oracle for target nodes: a node's logits after a set of edits of its graph, for many sets.

The graph, its features and the clean states are held once, however many targets there are. The
features are multiplied by the first layer's weights once for each change of a node's degree that is
asked about. After an edit only those states are computed that differ from the clean ones and that
the target hears of, and each distinct one once. What a node receives is what it received before,
with the difference of what changed.

An edit of the edge {u, v} changes the degrees of u and v. With an encoder of `hops_before_first
_round` 1 it changes what they send in the first round. In each round, it changes who hears from
whom at its ends. The target hears in the last round from its neighbours, in the round before from
those of its neighbours, and so on. So a state after round l matters up to L - l hops from the
target, in the edited graph.

Letters: L rounds, n nodes, Q questions, T different targets among them, K edits of all questions,
E ends (a question, and a node at which it edits), R rows (a question, and a node), D distinct
states, M contributions to rows, H width of a state, C classes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges, runs, take
from robust_augcl.graphs.unfolding import mixed
from robust_augcl.models.classifier_base import LocalParts
from robust_augcl.oracle.node_hearers import NearHearers
from robust_augcl.oracle.node_questions import Questioned
from robust_augcl.oracle.trees import distinct_rows

_SALT = 0x9E3779B97F4A7C15
_USUAL_DEGREE = 32  # of an end, up to which its neighbours count for how much is asked at once
_KEPT_CHANGES = 8  # of a degree, up to which the first messages of all nodes are kept


class _Changed(NamedTuple):
    """What is sent otherwise than by the clean nodes.

    Args:
        rows: the senders, `question * n + node`, ascending (R,).
        distinct: the row of the tables below that each of them has (R,).
        keys: equal for equal states of equal nodes (D,).
        messages: what is sent (D, H).
        more: what is sent, less what the clean node sends (D, H).
    """

    rows: Tensor
    distinct: Tensor
    keys: Tensor
    messages: Tensor
    more: Tensor


class _Received(NamedTuple):
    """What rows receive otherwise than the clean nodes, one entry a contribution.

    Args:
        rows: who receives (M,).
        entry: what, a row of the table of clean messages, changed ones and differences (M,).
        sign: 1, or -1 where it is no longer received (M,).
        keys: equal for equal contributions (M,).
    """

    rows: Tensor
    entry: Tensor
    sign: Tensor
    keys: Tensor


class NodeOracle:
    """A graph, prepared for questions about its nodes.

    Args:
        local: the parts of the classifier, in evaluation mode.
        graph: one graph, clean.

    >>> from robust_augcl.encoders.gcn import GCN
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> draws = torch.Generator().manual_seed(0)
    >>> encoder = GCN(in_features=1, width=4, layers=2, generator=draws)
    >>> model = GraphClassifier(encoder, num_classes=3, hidden=4, generator=draws).eval()
    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graph = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> ends = NodeTargets(graph, torch.tensor([0, 2]), torch.tensor([0, 0]))
    >>> edited = ends.flip(torch.tensor([1]), torch.tensor([[0], [2]]))
    >>> with torch.no_grad():
    ...     found = NodeOracle(model.parts, graph).logits(edited)
    ...     torch.allclose(found, model(edited), atol=1e-6)
    True
    """

    def __init__(self, local: LocalParts, graph: PackedGraphs) -> None:
        self._local, self.graph = local, graph
        encoder = local.encoder
        self._degree = graph.degree.to(graph.x.dtype)
        self._states = [encoder.first_states(graph.x)]
        self._sent: list[Tensor] = []
        self._pooled: list[Tensor] = []
        for index in range(encoder.layers):
            sent = encoder.message(index, self._states[-1], self._degree)
            pooled = embedding_bag(graph.edge_index[1], sent, graph.first_edge[:-1], mode="sum")
            if encoder.self_loops:
                pooled = pooled + sent
            self._sent.append(sent)
            self._pooled.append(pooled)
            self._states.append(encoder.update(index, pooled, graph.x, self._degree))
        self._first: dict[int, Tensor] = {}

    def clean_logits(self, nodes: Tensor) -> Tensor:
        """Logits (T, C) of nodes (T,) of the clean graph."""
        rounds = self._local.encoder.summed_rounds
        return self._answer([take(self._states[number], nodes) for number in rounds])

    def logits(self, targets: NodeTargets) -> Tensor:
        """Logits (Q, C) of targets in this graph with their edits."""
        different, row = targets.nodes.unique(return_inverse=True)
        clean = self.clean_logits(different)
        out = take(clean, row)
        of = targets.flips[0]
        edits = torch.bincount(of, minlength=targets.num_graphs)
        for part in runs((edits + 1, limits().asked_places)):
            out[part] = self._of_each(targets.select(part), out[part])
        return out

    def _of_each(self, targets: NodeTargets, clean: Tensor) -> Tensor:
        """The logits of some targets (Q, C), of which the clean ones are known.

        Questions of one target whose edits do the same as far as it hears are asked once.
        """
        encoder = self._local.encoder
        if targets.flips[0].numel() == 0:
            return clean
        asked = Questioned.of(self.graph, targets, encoder.layers)
        keys = asked.keys(targets.nodes, by_degree=bool(encoder.hops_before_first_round))
        chosen, stands = distinct_rows(keys)
        some, found = targets.select(chosen), take(clean, chosen)
        of, pairs = some.flips
        cost = torch.ones_like(chosen)
        for ends in pairs:
            cost.index_add_(0, of, take(self.graph.degree, ends).clamp(max=_USUAL_DEGREE))
        for part in runs((cost, limits().asked_places)):
            found[part] = self._some(some.select(part), take(found, part))
        return take(found, stands)

    def _answer(self, states: list[Tensor]) -> Tensor:
        logits: Tensor = self._local.head(torch.cat(states, dim=1))
        return logits

    def _some(self, targets: NodeTargets, clean: Tensor) -> Tensor:
        """The logits of some targets (Q, C), of which the clean ones are known."""
        if targets.flips[0].numel() == 0:
            return clean
        encoder = self._local.encoder
        asked = Questioned.of(self.graph, targets, encoder.layers)
        changed = self._before_first_round(asked)
        found: list[Tensor] = []
        for number in range(1, encoder.layers + 1):
            rows, states, distinct, changed = self._round(number, asked, changed)
            if number in encoder.summed_rounds:
                own = take(self._states[number], targets.nodes)
                at = rows % self.graph.num_nodes == targets.nodes[rows // self.graph.num_nodes]
                own[rows[at] // self.graph.num_nodes] = take(states, distinct[at])
                found.append(own)
        return self._answer(found)

    def _before_first_round(self, asked: Questioned) -> _Changed:
        """What is sent otherwise in the first round, since degrees have changed."""
        sent = self._sent[0]
        if not self._local.encoder.hops_before_first_round:
            none = asked.ends[:0]
            return _Changed(none, none, none, sent[:0], sent[:0])
        layers = self._local.encoder.layers
        row = ((asked.change != 0) & (asked.nearness <= layers)).nonzero().squeeze(1)
        rows, change = take(asked.ends, row), take(asked.change, row)
        node = rows % self.graph.num_nodes
        keys = mixed(node * _SALT + change, _SALT)
        chosen, distinct = distinct_rows(keys)
        node, change = take(node, chosen), take(change, chosen)
        messages = take(sent, node)
        for value in change.unique().tolist():
            mine = (change == value).nonzero().squeeze(1)
            messages[mine] = self._first_messages(value, take(node, mine))
        return _Changed(rows, distinct, take(keys, chosen), messages, messages - take(sent, node))

    def _first_messages(self, change: int, node: Tensor) -> Tensor:
        """What nodes send in the first round whose degree has changed by so much."""
        encoder, graph = self._local.encoder, self.graph
        if abs(change) > _KEPT_CHANGES:
            states = encoder.first_states(take(graph.x, node))
            return encoder.message(0, states, take(self._degree, node) + change)
        if change not in self._first:
            degree = (self._degree + change).clamp(min=0)
            self._first[change] = encoder.message(0, self._states[0], degree)
        return take(self._first[change], node)

    def _round(
        self, number: int, asked: Questioned, before: _Changed
    ) -> tuple[Tensor, Tensor, Tensor, _Changed]:
        """What changes in one round: rows (R,), states (D, H), which each row has, what is sent."""
        encoder, graph = self._local.encoder, self.graph
        received = self._received(asked, before, encoder.layers - number)
        rows, place = received.rows.unique(return_inverse=True)
        node = rows % graph.num_nodes
        change = asked.change_at(rows)
        sums = torch.zeros_like(rows).index_add_(0, place, received.keys)
        keys = mixed(sums + mixed(node * _SALT + change, _SALT), _SALT)
        chosen, distinct = distinct_rows(keys)
        node, degree = take(node, chosen), take(self._degree, take(node, chosen))
        degree = degree + take(change, chosen)
        order, count = place.argsort(stable=True), torch.bincount(place, minlength=rows.numel())
        first, of_each = take(count.cumsum(0) - count, chosen), take(count, chosen)
        mine = take(order, ranges(first, of_each))
        sent = self._sent[number - 1]
        pooled = take(self._pooled[number - 1], node) + embedding_bag(
            take(received.entry, mine),
            torch.cat([sent, before.messages, before.more]),
            of_each.cumsum(0) - of_each,
            mode="sum",
            per_sample_weights=take(received.sign, mine).to(sent.dtype),
        )
        x = take(graph.x, node) if encoder.reads_features else graph.x[:0]
        states = encoder.update(number - 1, pooled, x, degree)
        if number == encoder.layers:
            return rows, states, distinct, before
        messages = encoder.message(number, states, degree)
        more = messages - take(self._sent[number], node)
        return rows, states, distinct, _Changed(rows, distinct, take(keys, chosen), messages, more)

    def _received(self, asked: Questioned, before: _Changed, limit: int) -> _Received:
        """What rows up to `limit` hops from their targets receive otherwise."""
        size, sent = self.graph.num_nodes, before.messages.size(0)
        # Who heard from a sender before hears the difference.
        row, receiver = self._hearers(asked, before.rows, limit)
        distinct = take(before.distinct, row)
        differences = _Received(
            receiver,
            distinct + size + sent,
            torch.ones_like(distinct),
            mixed(take(before.keys, distinct), _SALT),
        )
        # The ends of an added edge hear all that the other sends, those of a removed one no more.
        near = asked.nearness_at(asked.heard_by) <= limit
        receiver, sender = asked.heard_by[near], asked.heard_from[near]
        sign = asked.sign[near]
        place = torch.searchsorted(before.rows, sender)
        entry, keys = sender % size, sender % size
        if before.rows.numel():
            place = place.clamp(max=before.rows.numel() - 1)
            is_changed = take(before.rows, place) == sender
            distinct = take(before.distinct, place)
            entry = torch.where(is_changed, distinct + size, entry)
            keys = torch.where(is_changed, take(before.keys, distinct), keys)
        of_edits = _Received(receiver, entry, sign, mixed(keys * 4 + sign, _SALT + 1))
        both = zip(differences, of_edits, strict=True)
        return _Received(*(torch.cat(pair) for pair in both))

    def _hearers(self, asked: Questioned, rows: Tensor, limit: int) -> tuple[Tensor, Tensor]:
        """Senders (M,), places in `rows`, and rows (M,) near enough that heard from them before."""
        near = NearHearers(self.graph, asked, limit, self_loops=self._local.encoder.self_loops)
        pieces = [near.in_clean_graph(rows), near.at_shortcuts(rows), near.beyond_shortcuts(rows)]
        senders, receivers = (torch.cat(column) for column in zip(*pieces, strict=True))
        return senders, receivers
