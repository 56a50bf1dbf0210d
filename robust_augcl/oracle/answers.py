"""What the oracle asks of a victim.

The oracle stands below the adversary, so it names here what it needs. `adversary.victim.Victim`
gives all of it, and a `VictimView` with query access gives what `Answers` holds.

Letters: G graphs, M candidates, P pairs of candidates, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, cast

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier_base import Classifier
from robust_augcl.threat.candidates import Candidates

Ask = Callable[[PackedGraphs, Candidates], Tensor]
"""Logits (M, C) of graphs after one candidate each, as `Answers.candidate_logits`."""

AskAgain = Callable[[Tensor, Candidates], Tensor]
"""Logits (M, C) of prepared graphs after one candidate each.

It takes the numbers of some of the graphs (B,), and candidates of copies of these.
"""


class AnswerPairs(Protocol):
    """Answers about pairs of candidates of one graph each.

    Pairs are answered in runs of `at_once`, from the first on. The last digits of an answer depend
    on the other pairs of its run, and on no more.
    """

    @property
    def at_once(self) -> int:
        """How many pairs are answered at once."""

    def __call__(self, one: Tensor, other: Tensor) -> Tensor:
        """Logits (P, C) after both candidates, given by their numbers (P,) and (P,)."""


def answers_pairs(ask: Callable[[Tensor, Tensor], Tensor], at_once: int) -> AnswerPairs:
    """A function that answers about pairs, and says how many it answers at once."""
    # An attack is given this function: an object would show it the classifier.
    ask.at_once = at_once  # type: ignore[attr-defined]
    return cast(AnswerPairs, ask)


AskPairs = Callable[[PackedGraphs, Candidates], AnswerPairs]
"""Prepares graphs for questions about pairs of candidates, as `Answers.pair_logits`."""


class Answers(Protocol):
    """A frozen classifier that answers questions about graphs, edited or not."""

    device: torch.device

    @property
    def reach(self) -> int | None:
        """How many hops from a target node an edit matters; None where that is not known."""

    def logits(self, graphs: PackedGraphs | Sequence[Data]) -> Tensor:
        """Logits (G, C) of G graphs."""

    def candidate_logits(
        self, graphs: PackedGraphs | Sequence[Data], candidates: Candidates
    ) -> Tensor:
        """Logits (M, C) of the graphs after one candidate each."""

    def pair_logits(
        self, graphs: PackedGraphs | Sequence[Data], candidates: Candidates
    ) -> AnswerPairs:
        """Prepare graphs for questions about pairs of candidates."""


class OpenAnswers(Answers, Protocol):
    """A frozen classifier that also shows itself, as bounds need it."""

    @property
    def model(self) -> Classifier:
        """The classifier itself."""
