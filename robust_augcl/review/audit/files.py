"""The stored files that an audit looks at, each read once."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import ArtifactDamaged
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.results.records import ArtifactRef, Record
from robust_augcl.review.audit.forests import Forest, forests
from robust_augcl.review.proofs import threat_of
from robust_augcl.review.subject import Subject
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.threat.model import ThreatModel

_LOOKED_AT = 12  # test graphs on which victims are looked at and attacks are tried


class Files:
    """The data sets, victims and attackers of a folder, and what is worked out from them alone.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._load = lru_cache(maxsize=None)(lambda ref: folder.store.load(ref.key))
        self._dataset = lru_cache(maxsize=None)(lambda ref: dataset_of(self._load(ref)))
        self._victim = lru_cache(maxsize=None)(lambda ref: victim_of(self._load(ref)))
        self._forests = lru_cache(maxsize=None)(lambda ref: forests(self._dataset(ref)))
        self._keys = lru_cache(maxsize=None)(lambda ref: self._dataset(ref).keys())
        self._subjects: dict[tuple[ArtifactRef, ArtifactRef, str], Subject] = {}
        self._num_candidates = lru_cache(maxsize=None)(self._count_candidates)

    def load(self, ref: ArtifactRef) -> Artifact:
        """A stored artifact, as it is now; raises `ArtifactDamaged` where it cannot be read."""
        return self._load(ref)

    def dataset(self, record: Record) -> Dataset:
        """The data set of a record."""
        return self._dataset(record.dataset)

    def victim(self, record: Record) -> Victim:
        """The victim of a record, which was asked for its first answers before."""
        return self.subject(record).targets.victim

    def forests(self, record: Record) -> dict[int, Forest]:
        """The components of each test graph, by its number."""
        return self._forests(record.dataset)

    def keys(self, record: Record) -> Tensor:
        """The keys of all targets of the data set: those of one key look equal to encoders."""
        found: Tensor = self._keys(record.dataset)
        return found

    def retrained(self, record: Record) -> Victim:
        """The victim of a record of poisoning that was trained again."""
        assert record.retrained is not None  # a record of poisoning was read as such
        return self._victim(record.retrained)

    def subject(self, record: Record) -> Subject:
        """What is proved about the record's data set and victim."""
        of = record.dataset, record.victim, record.label_rule
        if of not in self._subjects:
            self._subjects[of] = Subject(self.dataset(record), self._victim(record.victim), of[2])
        return self._subjects[of]

    def drifts(self) -> dict[str, str]:
        """What is to be said of given models that answer otherwise by now, by their keys."""
        found = ((victim.key, subject.drift) for (_, victim, _), subject in self._subjects.items())
        return {key: drift[0] for key, drift in found if drift}

    def num_candidates(self, record: Record) -> int:
        """The number of single edits that the record's threat has on all test graphs."""
        return self._num_candidates(record.dataset, threat_of(record))

    def unreadable(self, record: Record) -> str | None:
        """Why a file that the record rests on cannot be read; None where each can.

        Nor can one of whose weights its model cannot be made: a module that was named for it may be
        another one's. What was replaced since is left to `replaced`.
        """
        try:
            for ref in record.rests_on:
                self._load(ref)
            if not self.replaced(record):
                self._victim(record.victim)
                if record.poisons:
                    self.retrained(record)
        except ArtifactDamaged as error:
            return str(error)
        return None

    def replaced(self, record: Record) -> bool:
        """Whether a file that the record rests on is another one by now."""
        return any(self._load(ref).digest != ref.digest for ref in record.rests_on)

    def _count_candidates(self, dataset: ArtifactRef, threat: ThreatModel) -> int:
        return int(threat.space(test_graphs(self._dataset(dataset))).counts.sum())


def test_graphs(dataset: Dataset) -> PackedGraphs:
    """The test graphs of a data set."""
    return dataset.part(dataset.attacked)


def some_numbers(dataset: Dataset) -> Tensor:
    """The numbers of a few test graphs, spread evenly over the data set.

    Its order goes by class or by chance.
    """
    count = min(_LOOKED_AT, dataset.attacked.numel())
    return dataset.attacked[torch.linspace(0, dataset.attacked.numel() - 1, count).long()]


def some_graphs(dataset: Dataset) -> PackedGraphs:
    """A few test graphs, those of `some_numbers`."""
    return dataset.part(some_numbers(dataset))
