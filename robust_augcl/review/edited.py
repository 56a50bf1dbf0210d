"""Edited test targets, predicted again: each once, however many results name the same edits.

Letters: G test targets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.labels import unproved_labels
from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.ragged import runs
from robust_augcl.results.records import Record
from robust_augcl.review.judge import Answer, Judge
from robust_augcl.threat.perturbations import Perturbation, apply_all

Pairs = list[list[int]]
Edits = tuple[Pairs, Pairs]
"""Stored edits of one target: pairs of nodes added, and removed."""
_Key = tuple[int, tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]
_NO_PAIRS = torch.zeros(2, 0, dtype=torch.long)
_CHUNKS = 32  # times the nodes that a model evaluates at once: edited graphs that are held at once


class EditedTargets:
    """What a victim says of the test targets of a data set after any edits.

    Args:
        dataset: its test targets are what was attacked.
        victim: what was attacked.
        label_rule: how it can be proved that an edit keeps the class.
        found: the edits of all results about these two, each a list of one item a test target.

    Attributes:
        graphs: the test targets (G).
        names: what they are called.
        victim: the victim.
        judge: predicts again.
    """

    def __init__(
        self,
        dataset: Dataset,
        victim: Victim,
        label_rule: str,
        found: Iterable[Sequence[Edits]] = (),
    ) -> None:
        self.graphs, self.victim = dataset.part(dataset.attacked), victim
        self.names = dataset.targets_at(dataset.attacked).names()
        self._rule, self._found = label_rule, found
        self._sizes = self.graphs.sizes.tolist()
        self._rows: dict[_Key, int] = {}
        self._answers: Answer | None = None
        self._lost = torch.zeros(0, dtype=torch.bool)

    @cached_property
    def judge(self) -> Judge:
        """It has predicted the clean targets."""
        return Judge(self.victim, self.graphs)

    def after(self, edits: Sequence[Edits]) -> tuple[Answer, Tensor]:
        """What the victim says of each test target after its edits, which the targets allow.

        Returns:
            The answers, and where the edits change the true class (G,).
        """
        keys = [_key(place, pairs) for place, pairs in enumerate(edits)]
        self._look_at_found()
        self._look_at(keys)
        assert self._answers is not None
        rows = torch.tensor([self._rows[key] for key in keys], dtype=torch.long)
        return self._answers.at(rows), self._lost[rows]

    @cached_property
    def breaking(self) -> dict[int, list[tuple[Edits, bool]]]:
        """The edits of all results that break a target and keep its class, by its place.

        Each comes with whether rounding alone decides that they break it.
        """
        self._look_at_found()
        if self._answers is None:
            return {}
        breaking: dict[int, list[tuple[Edits, bool]]] = {}
        broken = (self._answers.wrong & ~self._lost).tolist()
        undecided = self._answers.undecided.tolist()
        for (place, added, removed), row in self._rows.items():
            if broken[row]:
                edits = [list(pair) for pair in added], [list(pair) for pair in removed]
                breaking.setdefault(place, []).append((edits, undecided[row]))
        return breaking

    def _look_at_found(self) -> None:
        """Predict what all results have found, where that is not done yet."""
        found, self._found = self._found, ()
        keys = [
            _key(place, pairs)
            for edits in found
            if len(edits) == len(self.names)
            for place, pairs in enumerate(edits)
        ]
        self._look_at([key for key in dict.fromkeys(keys) if self._can_be_made(key)])

    def _can_be_made(self, key: _Key) -> bool:
        """Whether edits name nodes of their target, and each edge once."""
        place, added, removed = key
        size, pairs = self._sizes[place], (*added, *removed)
        inside = all(0 <= i < size and 0 <= j < size and i != j for i, j in pairs)
        return inside and len({frozenset(pair) for pair in pairs}) == len(pairs)

    def _look_at(self, keys: Sequence[_Key]) -> None:
        """Predict targets after edits that were not looked at yet."""
        new = [key for key in dict.fromkeys(keys) if key not in self._rows]
        places = torch.tensor([place for place, *_ in new], dtype=torch.long)
        cost = self.graphs.sizes[places]
        for chunk in runs((cost, _CHUNKS * limits().nodes)):
            some = [new[number] for number in chunk.tolist()]
            # Edits that targets share are made once.
            made = {(added, removed): None for _, added, removed in some}
            edits_of = {pairs: perturbation_of(*pairs) for pairs in made}
            edits = [edits_of[added, removed] for _, added, removed in some]
            edited = apply_all(self.graphs.select(places[chunk]), edits)
            answer = self.judge.predict(edited, places[chunk])
            first = len(self._lost)
            self._answers = self._answers.followed_by(answer) if self._answers else answer
            self._lost = torch.cat([self._lost, unproved_labels(edited, self._rule)])
            self._rows |= {key: first + number for number, key in enumerate(some)}


def perturbation_of(
    added: Sequence[Sequence[int]], removed: Sequence[Sequence[int]]
) -> Perturbation:
    """Stored edits, lists of pairs of nodes, as a perturbation."""
    return Perturbation(_pairs(added), _pairs(removed))


def stored_edits(record: Record) -> list[Edits]:
    """The edits of each target of a record, as they are stored."""
    return [record.edits_of(outcome) for outcome in record.outcomes]


def edits_of(perturbation: Perturbation) -> Edits:
    """A perturbation as it is stored."""
    return perturbation.added.T.tolist(), perturbation.removed.T.tolist()


def _pairs(edits: Sequence[Sequence[int]]) -> Tensor:
    if not edits:  # most lists are empty, and a tensor costs as much as many edits
        return _NO_PAIRS
    return torch.tensor(edits, dtype=torch.long).reshape(-1, 2).T.contiguous()


def _key(place: int, edits: Edits) -> _Key:
    added, removed = edits
    return place, tuple(map(tuple, added)), tuple(map(tuple, removed))
