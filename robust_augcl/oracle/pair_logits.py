"""Logits after each of many pairs of edits.

The oracle for pairs answers where the encoder allows it. Elsewhere copies of the graphs that have
the first edit are asked about the second.

Letters: G graphs, M candidates, P pairs of candidates, C classes.
"""

from __future__ import annotations

import sys
from contextlib import suppress

import torch
from torch import Tensor

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import take
from robust_augcl.models.classifier_base import Classifier
from robust_augcl.oracle.answers import Ask
from robust_augcl.oracle.edit_sets import of_copies
from robust_augcl.oracle.edits import Edits
from robust_augcl.oracle.pair_states import PairOracle
from robust_augcl.oracle.single_logits import (
    Questions,
    agree,
    candidate_logits,
    chunks,
    close_calls,
    of_sums,
)
from robust_augcl.oracle.states_alone import TooManyTrees
from robust_augcl.threat.candidates import Candidates

EVERY_PAIR = sys.maxsize
"""How many pairs are answered at once where no oracle is asked: all of them."""


class PairLogits:
    """Graphs, prepared for questions about pairs of their candidates.

    Predictions are those of a full evaluation. It decides where the two highest logits are closer
    than rounding may move them. Copies of the graphs that have the first edit are asked about the
    second

    - where the model has no local parts for these graphs, or does not agree with them,
    - where the states after all single edits, or their distinct trees, would not fit into memory.

    >>> import torch
    >>> from robust_augcl.encoders.gin import GIN
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> from robust_augcl.threat.model import ThreatModel
    >>> draws = torch.Generator().manual_seed(0)
    >>> encoder = GIN(in_features=1, width=4, layers=2, generator=draws)
    >>> model = GraphClassifier(encoder, num_classes=3, hidden=4, generator=draws).eval()
    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graphs = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> candidates = ThreatModel(2, ("add", "delete")).enumerate(graphs)
    >>> with torch.no_grad():
    ...     ask = PairLogits(model, graphs, candidates)
    ...     ask(torch.tensor([0, 0, 1]), torch.tensor([1, 2, 2])).shape
    torch.Size([3, 3])

    Args:
        model: in evaluation mode.
        graphs: the clean graphs.
        candidates: every one that is in a pair.
    """

    def __init__(self, model: Classifier, graphs: PackedGraphs, candidates: Candidates) -> None:
        self._model, self._graphs, self._candidates = model, graphs, candidates
        self._changes = candidates.changes
        self._oracle: PairOracle | None = None
        local = model.local_parts(graphs)
        states = int(graphs.sizes[candidates.graph].sum())
        if local is None or not 0 < states <= limits().pair_states:
            return
        order = torch.argsort(candidates.graph, stable=True)
        order = order[self._changes[order]]
        if order.numel() == 0:
            return
        # The number of each candidate's edit; -1 for a candidate that changes nothing.
        self._edit = torch.full_like(candidates.graph, -1).index_copy(
            0, order, torch.arange(order.numel(), device=order.device)
        )
        edits = Edits.of(graphs, candidates.graph[order], candidates.pairs[:, order])
        with suppress(TooManyTrees):
            oracle = PairOracle(local.encoder, graphs, edits)
            if agree(of_sums(local, oracle.clean_sums), model(graphs)):
                self._oracle, self._local = oracle, local

    @property
    def at_once(self) -> int:
        """How many pairs are answered at once."""
        return EVERY_PAIR if self._oracle is None else self._oracle.at_once

    def __call__(self, one: Tensor, other: Tensor) -> Tensor:
        """Logits (P, C) after two different candidates of one graph each.

        The candidates are given by their numbers, (P,) and (P,).
        """
        if self._oracle is None:
            return pairs_on_copies(self._ask, self._graphs, self._candidates, one, other)
        at_once = self._oracle.at_once
        pairs = zip(one.split(at_once), other.split(at_once), strict=True)
        return torch.cat([self._by_oracle(self._oracle, *pair) for pair in pairs])

    def _by_oracle(self, oracle: PairOracle, one: Tensor, other: Tensor) -> Tensor:
        out = of_sums(self._local, self._sums(oracle, one, other))
        close = close_calls(out)
        if close.numel():
            out[close] = self._in_full(one[close], other[close])
        return out

    def _sums(self, oracle: PairOracle, one: Tensor, other: Tensor) -> Tensor:
        """Summed node states (P, S), also where a candidate of a pair changes nothing."""
        edits = take(self._edit, one), take(self._edit, other)
        lower, higher = torch.minimum(*edits), torch.maximum(*edits)
        if not bool((lower < 0).any()):
            return oracle.sums(*edits)
        sums = oracle.clean_sums[self._candidates.graph[one]]
        with_one, with_two = (higher >= 0).nonzero().squeeze(1), (lower >= 0).nonzero().squeeze(1)
        sums[with_one] = oracle.single_sums[higher[with_one]]
        sums[with_two] = oracle.sums(edits[0][with_two], edits[1][with_two])
        return sums

    def edited(self, one: Tensor, other: Tensor) -> PackedGraphs:
        """A copy of the graph of each pair of candidates, (P,) and (P,), with both edits."""
        pair = torch.cat([one, other])
        copy = torch.arange(one.numel(), device=one.device).repeat(2)
        flipped = self._changes[pair]
        copies = self._graphs.select(self._candidates.graph[one])
        return copies.flip(copy[flipped], self._candidates.pairs[:, pair[flipped]])

    def _in_full(self, one: Tensor, other: Tensor) -> Tensor:
        """Logits (P, C) by evaluating a copy of the graph for each pair."""
        parts = chunks(self._graphs.sizes[self._candidates.graph[one]])
        return torch.cat([self._model(self.edited(one[index], other[index])) for index in parts])

    def _ask(self, graphs: PackedGraphs, candidates: Candidates) -> Tensor:
        questions = Questions(graphs, candidates.graph, candidates.pairs, candidates.changes)
        return candidate_logits(self._model, questions)


def pairs_on_copies(
    ask: Ask, graphs: PackedGraphs, candidates: Candidates, one: Tensor, other: Tensor
) -> Tensor:
    """Logits (P, C) as those of `PairLogits`, by asking about single edits of copies.

    The copies have the first edit.
    """
    first, copy = one.unique(return_inverse=True)
    flipped = candidates.changes[first].nonzero().squeeze(1)
    copies = graphs.select(candidates.graph[first]).flip(
        flipped, candidates.pairs[:, first[flipped]]
    )
    return ask(copies, of_copies(candidates, copy, other, first.numel()))
