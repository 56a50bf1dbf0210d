"""Logits after single edits of graphs that are asked about many times.

What depends on the clean graphs alone, and takes little memory, is found once: their logits, and
the distances inside them.

Letters: G graphs, B graphs of a question, M edits, C classes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges
from robust_augcl.models.classifier_base import Classifier, LocalParts
from robust_augcl.oracle.neighbourhoods import Distances
from robust_augcl.oracle.single_logits import (
    Prepared,
    Questions,
    Sums,
    by_oracle,
    candidate_logits,
    chunks,
    is_worth_it,
)
from robust_augcl.oracle.single_states import furthest


class _Found(NamedTuple):
    """What is found once of the clean graphs.

    Args:
        clean: their logits (G, C).
        distances: those inside them.
    """

    clean: Tensor
    distances: Distances


class PreparedLogits:
    """Graphs, prepared for questions about single edits of some of them.

    Answers are those of `candidate_logits` about copies of these graphs, to the bit. Nothing is
    found before the first question for which that is worth it. `candidate_logits` itself answers

    - where the model has no local parts for these graphs,
    - where the distances would be more than `Limits.kept_distances`,
    - where an edit changes nothing: the last digits of clean logits depend on the batch.

    >>> import torch
    >>> from robust_augcl.encoders.gin import GIN
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> draws = torch.Generator().manual_seed(0)
    >>> encoder = GIN(in_features=1, width=4, layers=2, generator=draws)
    >>> model = GraphClassifier(encoder, num_classes=3, hidden=4, generator=draws).eval()
    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graphs = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> same_graph_twice = torch.tensor([0, 0])
    >>> flips = torch.tensor([[0, 0], [1, 2]])  # in the first copy {0, 1}, in the second {0, 2}
    >>> changes = torch.tensor([True, True])
    >>> with torch.no_grad():
    ...     ask = PreparedLogits(model, graphs)
    ...     copies = graphs.select(same_graph_twice)
    ...     ask(same_graph_twice, Questions(copies, torch.tensor([0, 1]), flips, changes)).shape
    torch.Size([2, 3])

    Args:
        model: in evaluation mode.
        graphs: the clean graphs.
    """

    def __init__(self, model: Classifier, graphs: PackedGraphs) -> None:
        self._model, self._graphs = model, graphs
        self._fits = int(graphs.sizes.square().sum()) <= limits().kept_distances
        self._found: _Found | None = None

    def __call__(self, index: Tensor, questions: Questions) -> Tensor:
        """Logits (M, C) of the graphs at `index` (B,) after one edit each.

        Args:
            index: numbers of graphs; one may appear many times.
            questions: about copies of these graphs, in the same order.
        """
        local = self._model.local_parts(questions.graphs)
        worth_it = self._fits and is_worth_it(questions) and bool(questions.changes.all())
        if local is None or not worth_it:
            return candidate_logits(self._model, questions)
        found = self._found = self._find(local) if self._found is None else self._found

        def prepare(numbers: Tensor, graphs: PackedGraphs) -> Prepared:
            asked = index[numbers]
            nodes = ranges(self._graphs.ptr[asked], graphs.sizes)
            oracle = Sums(local, graphs, found.distances.from_nodes(nodes))
            return Prepared(found.clean[asked], oracle)

        return by_oracle(self._model, questions, prepare)

    def _find(self, local: LocalParts) -> _Found:
        graphs = self._graphs
        reach = furthest(local.encoder)
        clean = [self._model(graphs.select(part)) for part in chunks(graphs.sizes)]
        parts = chunks(graphs.sizes.square(), limits().distances)
        distances = [Distances.inside(graphs.select(part), reach) for part in parts]
        return _Found(torch.cat(clean), Distances.one_after_the_other(distances))
