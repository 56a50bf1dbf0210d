"""Logits after each of many single edits.

The oracle for single edits answers where the encoder allows it. Elsewhere every edited graph is
evaluated in full.

Letters: G graphs, M edits, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import runs
from robust_augcl.models.classifier_base import Classifier, LocalParts
from robust_augcl.models.margins import gaps
from robust_augcl.oracle.edits import Edits
from robust_augcl.oracle.neighbourhoods import Distances
from robust_augcl.oracle.single_states import SingleOracle

# The least difference of the two highest logits at which the oracle decides between them, relative
# to the largest logit where that is above 1.
_CLOSE = 1e-4
_COMPARED = 8  # edits of a module of a user that are also evaluated in full
_MANY_TIMES = 8  # the rounding that these show: others' may be larger
_EDITS_WORTH_IT = 4  # edits a graph; below, preparing the oracle costs more than it saves


@dataclass(frozen=True, eq=False)
class Questions:
    """Edits of graphs, one a question: what are the logits after it?

    Args:
        graphs: the clean graphs.
        graph: the graph of each edit (M,).
        pairs: the two nodes that it flips, numbered within their graph (2, M).
        changes: whether it flips them at all (M,) bool.
    """

    graphs: PackedGraphs
    graph: Tensor
    pairs: Tensor
    changes: Tensor

    def __len__(self) -> int:
        return self.graph.numel()

    def take(self, index: Tensor | slice) -> Questions:
        """Return some of the questions."""
        return Questions(self.graphs, self.graph[index], self.pairs[:, index], self.changes[index])

    def edited(self, index: Tensor) -> PackedGraphs:
        """Return a copy of the graph of each question at `index` (K,), with its edit."""
        flipped = self.changes[index].nonzero().squeeze(1)
        return self.graphs.select(self.graph[index]).flip(flipped, self.pairs[:, index[flipped]])

    def of_graphs(self, graphs: Tensor, index: Tensor) -> Questions:
        """Return the questions at `index` (K,), all of them about consecutive graphs (B,)."""
        every = graphs.numel() == self.graphs.num_graphs
        return Questions(
            self.graphs if every else self.graphs.select(graphs),
            self.graph[index] - graphs[0],
            self.pairs[:, index],
            self.changes[index],
        )


def chunks(cost: Tensor, limit: int | None = None) -> list[Tensor]:
    """Split 0 ... K - 1 into runs whose costs (K,) add up to about `limit` each.

    A run has one item at the least. By default costs are nodes, and the limit is `Limits.nodes`.
    """
    return runs((cost, limits().nodes if limit is None else limit))


def full_logits(model: Classifier, questions: Questions) -> Tensor:
    """Logits (M, C) by evaluating a copy of the graph for each edit."""
    graphs = questions.graphs
    parts = chunks(graphs.sizes[questions.graph])
    pieces = [model(questions.edited(index)) for index in parts]
    if not pieces:
        return torch.zeros(0, model.num_classes, dtype=graphs.x.dtype, device=graphs.device)
    return torch.cat(pieces)


def candidate_logits(model: Classifier, questions: Questions) -> Tensor:
    """Logits (M, C) of the graphs after one edit each, in any order.

    Predictions are those of a full evaluation. It decides where the two highest logits of the
    oracle are closer than rounding may move them. It decides everywhere if the model has neither
    local parts for these graphs (`Classifier.local_parts`) nor known layers (`Classifier.layered`),
    or does not agree with them. A module of a user is also compared on a few of the edits.

    >>> import torch
    >>> from robust_augcl.encoders.gin import GIN
    >>> from robust_augcl.graphs.packed import PackedGraphs
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> draws = torch.Generator().manual_seed(0)
    >>> encoder = GIN(in_features=1, width=4, layers=2, generator=draws)
    >>> model = GraphClassifier(encoder, num_classes=3, hidden=4, generator=draws).eval()
    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graphs = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> flips = torch.tensor([[0, 0], [1, 2]])  # removes the edge {0, 1}; adds the edge {0, 2}
    >>> questions = Questions(graphs, torch.tensor([0, 0]), flips, torch.tensor([True, True]))
    >>> with torch.no_grad():
    ...     candidate_logits(model, questions).shape
    torch.Size([2, 3])

    Args:
        model: in evaluation mode.
        questions: the edits.
    """
    graphs = questions.graphs
    oracle_of = _oracle_of(model, graphs) if is_worth_it(questions) else None
    if oracle_of is None:
        return full_logits(model, questions)
    return by_oracle(model, questions, lambda _, graphs: Prepared(model(graphs), oracle_of(graphs)))


def is_worth_it(questions: Questions) -> bool:
    """Whether the questions are so many that an oracle saves more than it costs to prepare it."""
    return len(questions) >= _EDITS_WORTH_IT * questions.graphs.num_graphs


def by_oracle(
    model: Classifier,
    questions: Questions,
    prepare: Callable[[Tensor, PackedGraphs], Prepared],
) -> Tensor:
    """Logits (M, C) as those of `candidate_logits`, by an oracle.

    Args:
        model: in evaluation mode.
        questions: the edits.
        prepare: from numbers of graphs (B,), and these graphs.
    """
    graphs = questions.graphs
    out = torch.empty(len(questions), model.num_classes, dtype=graphs.x.dtype, device=graphs.device)
    order = torch.argsort(questions.graph, stable=True)
    first = torch.searchsorted(
        questions.graph[order], torch.arange(graphs.num_graphs + 1, device=graphs.device)
    )
    for portion in chunks(graphs.sizes.square(), limits().distances):
        mine = order[first[portion[0]] : first[portion[-1] + 1]]
        if mine.numel():
            asked = questions.of_graphs(portion, mine)
            out[mine] = _answer(model, prepare(portion, asked.graphs), asked)
    return out


class _Oracle(Protocol):
    """Clean graphs, prepared for questions about single edits."""

    def clean_logits(self) -> Tensor:
        """Logits of the clean graphs (G, C)."""

    def logits(self, edits: Edits) -> Tensor:
        """Logits after each edit alone (M, C)."""


class Prepared(NamedTuple):
    """Clean graphs, prepared for questions about single edits.

    Args:
        clean: their logits (G, C), as the model gives them.
        oracle: answers about their edits.
    """

    clean: Tensor
    oracle: _Oracle


class Sums:
    """The oracle for encoders whose states can be computed one by one.

    Args:
        local: the encoder and the head.
        graphs: the clean graphs.
        distances: those inside the graphs, if they are known.
    """

    def __init__(
        self, local: LocalParts, graphs: PackedGraphs, distances: Distances | None = None
    ) -> None:
        self._local, self._oracle = local, SingleOracle(local.encoder, graphs, distances)

    def clean_logits(self) -> Tensor:
        return of_sums(self._local, self._oracle.clean_sums())

    def logits(self, edits: Edits) -> Tensor:
        return of_sums(self._local, self._oracle.sums(edits))


def _oracle_of(model: Classifier, graphs: PackedGraphs) -> Callable[[PackedGraphs], _Oracle] | None:
    """What makes the oracle for some of these graphs; None without any."""
    local = model.local_parts(graphs)
    if local is not None:
        return partial(Sums, local)
    layered = model.layered(graphs)
    if layered is None:
        return None
    # Only modules of users need it, and PyTorch Geometric's layers, which are slow to import.
    from robust_augcl.oracle.layered_states import LayeredOracle

    return partial(LayeredOracle, layered)


def _answer(model: Classifier, prepared: Prepared, questions: Questions) -> Tensor:
    """Logits (M, C) of edits that are sorted by graph; in full where the oracle does not agree."""
    clean, oracle = prepared
    if not agree(oracle.clean_logits(), clean):
        return full_logits(model, questions)
    out = clean[questions.graph]
    at_once = limits().edits
    for start in range(0, len(questions), at_once):
        span = slice(start, start + at_once)
        part = questions.take(span)
        flips = part.changes.nonzero().squeeze(1)
        edits = Edits.of(part.graphs, part.graph[flips], part.pairs[:, flips])
        logits = out[span]
        logits[flips] = oracle.logits(edits)
        rounding = 0.0
        if not isinstance(oracle, Sums):
            compared = _compared(len(part)).to(logits.device)
            expected = full_logits(model, part.take(compared))
            if not agree(logits[compared], expected):
                return full_logits(model, questions)
            rounding = _MANY_TIMES * float((logits[compared] - expected).abs().max())
        close = close_calls(logits, rounding)
        logits[close] = full_logits(model, part.take(close))
    return out


def _compared(count: int) -> Tensor:
    """A few of 0 ... count - 1, spread evenly."""
    return torch.linspace(0, count - 1, min(_COMPARED, count)).long()


def of_sums(local: LocalParts, sums: Tensor) -> Tensor:
    """Logits (M, C) from summed node states (M, S)."""
    logits: Tensor = local.head(local.encoder.readout(sums))
    return logits


def agree(logits: Tensor, clean: Tensor) -> bool:
    """Whether an oracle's logits of the clean graphs are those of a full evaluation (G, C)."""
    return torch.allclose(logits, clean, rtol=1e-4, atol=_CLOSE)


def close_calls(logits: Tensor, rounding: float = 0.0) -> Tensor:
    """Rows of logits (M, C) of which rounding may decide which is the highest (K,).

    Args:
        logits: the oracle's.
        rounding: what is known to come of it, where that is more than is expected.

    >>> import torch
    >>> logits = torch.tensor([[0.5, 0.2], [0.5, 0.50001]])
    >>> close_calls(logits), close_calls(logits, rounding=0.4)
    (tensor([1]), tensor([0, 1]))
    """
    least = (_CLOSE * logits.abs().amax(1).clamp(min=1)).clamp(min=rounding)
    return (gaps(logits) < least).nonzero().squeeze(1)
