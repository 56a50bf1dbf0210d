"""Logits of graphs after two edits each: by the oracle for pairs where the encoder allows it, else
on copies that have the first edit.

Letters: G graphs, M candidates, P pairs of candidates, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs, take
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.oracle.pair_oracle import PairOracle, TooManyTrees
from robust_augcl.oracle.single_logits import agree, candidate_logits, chunks, close_calls
from robust_augcl.oracle.single_oracle import Edits
from robust_augcl.threat.candidates import Candidates

Ask = Callable[[PackedGraphs, Candidates], Tensor]
"""Logits (M, C) of graphs after one candidate each, as `Victim.candidate_logits`."""

AskPairs = Callable[[PackedGraphs, Candidates], Callable[[Tensor, Tensor], Tensor]]
"""Prepares graphs for questions about pairs of candidates, as `Victim.pair_logits`."""


class PairLogits:
    """Graphs, prepared for questions about pairs of their candidates.

    Predictions are those of a full evaluation: it decides where the two highest logits are closer
    than rounding may move them. Where the encoder is no `LocalEncoder`, is in training mode or does
    not agree with its own parts, and where the states after all single edits or their distinct
    trees, all graphs taken together, would not fit into memory, copies of the graphs that have the
    first edit are asked about the second.

    Args:
        model: in evaluation mode.
        graphs: the clean graphs.
        candidates: every one that is in a pair.
    """

    def __init__(
        self, model: GraphClassifier, graphs: PackedGraphs, candidates: Candidates
    ) -> None:
        self._model, self._graphs, self._candidates = model, graphs, candidates
        self._changes = ~candidates.exists | candidates.deletes
        self._oracle: PairOracle | None = None
        encoder = model.encoder
        states = int(graphs.sizes[candidates.graph].sum())
        if (
            not isinstance(encoder, LocalEncoder)
            or model.training
            or not 0 < states <= limits().pair_states
        ):
            return
        # The edits, by graph; a candidate that changes nothing is none, -1.
        order = torch.argsort(candidates.graph, stable=True)
        order = order[self._changes[order]]
        if order.numel() == 0:
            return
        self._edit = torch.full_like(candidates.graph, -1).index_copy(
            0, order, torch.arange(order.numel(), device=order.device)
        )
        graph = candidates.graph[order]
        i, j = candidates.pairs[:, order] + graphs.ptr[graph]
        with suppress(TooManyTrees):
            oracle = PairOracle(encoder, graphs, Edits(graph, i, j, ~candidates.exists[order]))
            if agree(model.head(encoder.readout(oracle.clean_sums)), model(graphs)):
                self._oracle, self._readout = oracle, encoder.readout

    def __call__(self, one: Tensor, other: Tensor) -> Tensor:
        """Logits (P, C) after two different candidates of one graph, by their numbers (P,) and
        (P,).
        """
        if self._oracle is None:
            return pairs_on_copies(self._ask, self._graphs, self._candidates, one, other)
        pieces = [
            self._block(self._oracle, *pair)
            for pair in zip(
                *(part.split(self._oracle.at_once) for part in (one, other)), strict=True
            )
        ]
        return torch.cat(pieces)

    def _block(self, oracle: PairOracle, one: Tensor, other: Tensor) -> Tensor:
        edits = take(self._edit, one), take(self._edit, other)
        fewer = (torch.minimum(*edits) < 0).nonzero().squeeze(1)
        if fewer.numel():
            sums = oracle.clean_sums[self._candidates.graph[one]]
            last = torch.maximum(*edits)
            single, two = (
                (last >= 0).nonzero().squeeze(1),
                (torch.minimum(*edits) >= 0).nonzero().squeeze(1),
            )
            sums[single] = oracle.single_sums[last[single]]
            sums[two] = oracle.sums(edits[0][two], edits[1][two])
        else:
            sums = oracle.sums(*edits)
        out = self._model.head(self._readout(sums))
        close = close_calls(out)
        if close.numel():
            out[close] = self._in_full(one[close], other[close])
        return out

    def _in_full(self, one: Tensor, other: Tensor) -> Tensor:
        pieces = []
        for index in chunks(self._graphs.sizes[self._candidates.graph[one]]):
            pair = torch.cat([one[index], other[index]])
            copy = torch.arange(index.numel(), device=one.device).repeat(2)
            flipped = self._changes[pair]
            copies = self._graphs.select(self._candidates.graph[one[index]])
            pieces.append(
                self._model(copies.flip(copy[flipped], self._candidates.pairs[:, pair[flipped]]))
            )
        return torch.cat(pieces)

    def _ask(self, graphs: PackedGraphs, candidates: Candidates) -> Tensor:
        changes = ~candidates.exists | candidates.deletes
        return candidate_logits(self._model, graphs, candidates.graph, candidates.pairs, changes)


def pairs_on_copies(
    ask: Ask, graphs: PackedGraphs, candidates: Candidates, one: Tensor, other: Tensor
) -> Tensor:
    """Logits (P, C) as `PairLogits`, from questions about single edits of copies that have the
    first edit.
    """
    first, copy = one.unique(return_inverse=True)
    flipped = (~candidates.exists[first] | candidates.deletes).nonzero().squeeze(1)
    copies = graphs.select(candidates.graph[first]).flip(
        flipped, candidates.pairs[:, first[flipped]]
    )
    second = Candidates(
        copy,
        candidates.pairs[:, other],
        candidates.exists[other],
        first.numel(),
        candidates.deletes,
    )
    return ask(copies, second)
