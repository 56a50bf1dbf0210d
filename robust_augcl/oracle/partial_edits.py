"""Gradients for edits that are made in part, asked for again and again.

An ascent asks for the same graphs many times, each time with other parts, or with the same parts
and other edits to look at. What did not change since the last question is not computed again.

Letters: G graphs, M candidates, N nodes, H width of all states that a node sends, K edits asked
about.
"""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor
from torch.nn.functional import pad

from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges, take
from robust_augcl.models.classifier_base import Classifier
from robust_augcl.oracle.edge_gradients import (
    NEGLIGIBLE,
    Loss,
    RelaxedEdits,
    of_relaxed,
    what_nodes_exchange,
)
from robust_augcl.oracle.single_logits import chunks
from robust_augcl.threat.candidates import Candidates

_PAIRS_AT_ONCE = 2_048
"""Ends of edits that are compared at once: more of them falls out of the processor's cache."""
_ALIKE = 1e-6
"""What nodes send is the same if it differs by no more than this, as a share of the largest.

Products of matrices may give equal rows last bits that differ.
"""


class PartialEdits:
    """The gradient of each graph's loss in the parts to which edits are made.

    With plain sums, nodes exchange the same as before where a graph's parts are those of the last
    question. Then no graph is evaluated: a gradient that is not known yet comes from what the two
    ends of the edit exchange. Other models evaluate every graph that is asked about. So do target
    nodes of one graph, for what its nodes exchange would be held once a target.

    Args:
        model: in evaluation mode.
        graphs: the clean graphs.
        candidates: the edits that may be asked about.
        loss: of detached logits and the numbers of their graphs.

    >>> from robust_augcl.encoders.gin import GIN
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> from robust_augcl.threat.model import ThreatModel
    >>> draws = torch.Generator().manual_seed(0)
    >>> encoder = GIN(in_features=1, width=4, layers=2, generator=draws)
    >>> model = GraphClassifier(encoder, num_classes=2, hidden=4, generator=draws).eval()
    >>> path = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])
    >>> graphs = PackedGraphs(torch.ones(4, 1), path, torch.tensor([0, 4]), torch.tensor([0]))
    >>> candidates = ThreatModel().enumerate(graphs)
    >>> ask = PartialEdits(model, graphs, candidates, lambda logits, index: logits[:, 0])
    >>> ask(torch.tensor([0, 2]), torch.tensor([0.5, 0.0])).shape
    torch.Size([2])
    """

    def __init__(
        self, model: Classifier, graphs: PackedGraphs, candidates: Candidates, loss: Loss
    ) -> None:
        self._model, self._graphs, self._loss = model, graphs, loss
        self._candidates = candidates
        self._ends = candidates.pairs + graphs.ptr[candidates.graph]
        self._change = torch.where(candidates.exists, -1, 1) * candidates.changes
        x = graphs.graph.x if isinstance(graphs, NodeTargets) else graphs.x
        self._parts, self._gradient = (x.new_zeros(len(candidates)) for _ in range(2))
        self._made = candidates.graph.new_zeros(0)
        # A gradient is known if it was found since its graph was evaluated last.
        self._evaluations = torch.zeros_like(graphs.sizes)
        self._known_since = torch.zeros_like(candidates.graph)
        self._reuses = model.plain_sums and not isinstance(graphs, NodeTargets)
        self._exchanged = _Exchanged(x)

    def __call__(self, index: Tensor, parts: Tensor) -> Tensor:
        """Return the gradient for the candidates `index`, made to these `parts` from 0 to 1.

        Graphs of which no candidate is named are left alone. In the others, candidates that are not
        named are not made. Shapes: index (K,), sorted by graph, each at most once; parts (K,) ->
        (K,).

        Raises:
            ValueError: candidates that are not sorted by graph, or one that is named twice; not one
                part each.
        """
        self._check(index, parts)
        if not self._reuses:
            return self._evaluated(index, parts)
        self._exchange(self._take_over(index, parts))
        since = take(self._evaluations, take(self._candidates.graph, index))
        is_unknown = (take(self._known_since, index) != since).nonzero().squeeze(1)
        unknown = take(index, is_unknown)
        between = self._exchanged.between(self._ends.index_select(1, unknown))
        self._gradient[unknown] = take(self._change, unknown) * between
        self._known_since[unknown] = take(since, is_unknown)
        return take(self._gradient, index)

    def _check(self, index: Tensor, parts: Tensor) -> None:
        """Refuse candidates in another order, or twice."""
        if parts.shape != index.shape:
            raise ValueError(
                "Expected `parts` to be one for each candidate, "
                f"got {tuple(parts.shape)} for {tuple(index.shape)}"
            )
        graph = take(self._candidates.graph, index)
        if bool((graph[1:] < graph[:-1]).any()):
            raise ValueError("Expected `index` to be sorted by graph, got an earlier graph later")
        times = torch.bincount(index, minlength=1)
        if int(times.max()) > 1:
            twice = int(times.argmax())
            raise ValueError(f"Expected `index` to name each candidate once, got {twice} twice")

    def _take_over(self, index: Tensor, parts: Tensor) -> Tensor:
        """Note the parts of a question; return the graphs that must be evaluated again (B,)."""
        graph = self._candidates.graph
        is_asked, is_changed = (
            torch.zeros(len(self._evaluations), dtype=torch.bool, device=graph.device)
            for _ in range(2)
        )
        asked = take(graph, index)
        is_asked[asked] = True
        made = torch.where(parts > NEGLIGIBLE, parts, 0.0).to(self._parts.dtype)
        is_changed[asked[made != take(self._parts, index)]] = True
        # What was made before and is not named any more is made no longer.
        is_named = torch.zeros(len(graph), dtype=torch.bool, device=graph.device)
        is_named[index] = True
        stays = ~is_asked[graph[self._made]]
        gone = self._made[~stays & ~is_named[self._made]]
        is_changed[graph[gone]] = True
        self._parts[gone] = 0.0
        self._parts[index] = made
        self._made = torch.cat([self._made[stays], index[made > 0]])
        return (is_changed | (is_asked & (self._evaluations == 0))).nonzero().squeeze(1)

    def _exchange(self, numbers: Tensor) -> None:
        """Evaluate the graphs `numbers` (B,) again, with their edits made in part."""
        self._evaluations[numbers] += 1
        sizes = self._graphs.sizes[numbers]
        for some in chunks(sizes):
            graph = numbers[some]
            edits = self._edits_of(graph)
            _, rounds = what_nodes_exchange(self._model, edits, self._loss, graph)
            nodes = ranges(self._graphs.ptr[graph], sizes[some])
            self._exchanged.keep(nodes, edits.graphs.ptr[edits.graphs.batch], rounds)

    def _edits_of(self, numbers: Tensor) -> RelaxedEdits:
        """The edits that are made in the graphs `numbers` (B,)."""
        place = torch.full_like(self._graphs.sizes, -1)
        place[numbers] = torch.arange(len(numbers), device=numbers.device)
        graph = place[self._candidates.graph[self._made]]
        made = self._made[graph >= 0]
        return RelaxedEdits(
            self._graphs.select(numbers),
            graph[graph >= 0],
            self._candidates.pairs[:, made],
            self._change[made],
            self._parts[made],
        )

    def _evaluated(self, index: Tensor, parts: Tensor) -> Tensor:
        """The gradient for the candidates `index` (K,), by evaluating every graph in full."""
        graph, gradient = self._candidates.graph[index], self._gradient[index]
        numbers, counts = graph.unique_consecutive(return_counts=True)
        last = counts.cumsum(0)
        # An edit costs two directed edges in each round, a node about as much as one.
        for some in chunks(self._graphs.sizes[numbers] + 2 * counts):
            own = slice(int(last[some[0]] - counts[some[0]]), int(last[some[-1]]))
            edits = RelaxedEdits(
                self._graphs.select(numbers[some]),
                torch.repeat_interleave(torch.arange(len(some), device=some.device), counts[some]),
                self._candidates.pairs[:, index[own]],
                self._change[index[own]],
                parts[own],
            )
            gradient[own] = of_relaxed(self._model, edits, self._loss, numbers[some])[1]
        return gradient


class _Exchanged:
    """What nodes send and want in all rounds, as of the last evaluation of their graph.

    Without features, the nodes of a graph often send the same in the first round. Then the product
    of that round is one of the node that wants, whoever sends. No pair needs to be looked at. What
    nodes send is compared, for features alone do not tell: an encoder may number nodes.

    Args:
        x: features of the nodes (N, F).
    """

    def __init__(self, x: Tensor) -> None:
        self._here, self._there = (x.new_zeros(len(x), 0) for _ in range(2))
        self._of_anyone = x.new_zeros(len(x))

    def keep(self, nodes: Tensor, first: Tensor, rounds: list[tuple[Tensor, Tensor]]) -> None:
        """Keep what the nodes exchange: round by round what they send and want.

        Shapes: nodes (B,); first, the first node of each one's graph, as a number from 0 to B - 1
        (B,); rounds of (B, H) and (B, H).
        """
        (states, gradients), *deeper = rounds
        spread = (states - states.index_select(0, first)).abs().amax()
        if bool(spread <= _ALIKE * states.abs().amax()):
            self._of_anyone[nodes] = (gradients * states).sum(1)
            by_pairs = deeper
        else:
            self._of_anyone[nodes] = 0.0
            # The first round's columns come last, where graphs that need none have zeros.
            by_pairs = [*deeper, rounds[0]]
        nothing = states[:, :0]
        self._here = _with_rows(self._here, nodes, torch.cat([nothing, *chain(*by_pairs)], 1))
        swapped = ((wanted, sent) for sent, wanted in by_pairs)
        self._there = _with_rows(self._there, nodes, torch.cat([nothing, *chain(*swapped)], 1))

    def between(self, ends: Tensor) -> Tensor:
        """Products of what one end sends and the other wants, both ways: (2, K) -> (K,)."""
        i, j = ends
        of_pairs = take(self._of_anyone, i) + take(self._of_anyone, j)
        for first in range(0, len(i), _PAIRS_AT_ONCE):
            some = slice(first, first + _PAIRS_AT_ONCE)
            of_pairs[some] += take(self._here, i[some]).mul_(take(self._there, j[some])).sum(1)
        return of_pairs


def _with_rows(table: Tensor, rows: Tensor, values: Tensor) -> Tensor:
    """Return the table (N, W) with values (B, H) in the rows (B,), and zeros behind them.

    Where H > W it is another table, as wide as the values.
    """
    missing = values.size(1) - table.size(1)
    if missing > 0:
        table = pad(table, (0, missing))
    table[rows] = pad(values, (0, max(-missing, 0)))
    return table
