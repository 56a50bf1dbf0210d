"""A finished run as replay needs it: its folder, its plan, and its files, read on demand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.plan.kinds import KINDS
from robust_augcl.plan.planner import plan
from robust_augcl.plan.step import Step, with_inputs
from robust_augcl.plan.suite import make_suite
from robust_augcl.results.measurements import StoredCertificate, stored_certificate, targets_of
from robust_augcl.results.records import ArtifactRef, Record
from robust_augcl.review.edited import Edits, stored_edits
from robust_augcl.review.subject import Subject
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.manifest import MANIFEST, Manifest
from robust_augcl.store.run_folder import RunFolder

QUICK_SECONDS = 0.1
"""A step is computed again where it took no longer than this, by its own word."""
_FILES_KEPT = 8
_SUBJECTS_KEPT = 64
_CERTIFICATE = "certificate"


@dataclass(frozen=True)
class Recomputed:
    """What came of computing a step again.

    Args:
        why_not: why its result is taken on trust; empty where it was computed again.
        problems: what is not so in the result that was stored.
    """

    why_not: str = ""
    problems: tuple[str, ...] = ()


class StoredRun:
    """A run's folder, with the suite and the plan that its manifest holds.

    Args:
        folder: the run's.
        manifest: the folder's.
        archives: a folder of data set archives, or None.
        quick_seconds: what took no longer by its own word is computed again.

    Raises:
        InputError: the manifest holds no valid suite.

    Attributes:
        records: the steps whose results are records, by key.
        beside: the steps whose results are shown beside them, by key.
        suite: what was asked for.
        inputs: the other steps, whose results these rest on, in the order of their computation.
        label_rule: how it can be proved that an edit keeps the class.
        dataset: the data set of a reference to its artifact.
        recomputed: what came of computing steps again, by their keys.
    """

    def __init__(
        self,
        folder: RunFolder,
        manifest: Manifest,
        archives: Path | None = None,
        quick_seconds: float = QUICK_SECONDS,
    ) -> None:
        self.folder, self.manifest = folder, manifest
        self.archives, self.quick_seconds = archives, quick_seconds
        table = {**manifest.table, "seeds": manifest.seeds}
        suite = make_suite(table, str(folder.path / MANIFEST))
        planned = plan(suite, manifest.fingerprint)
        self.records = {step.key: step for step in planned.attacks}
        self.beside = {measured.step.key: measured.step for measured in planned.measurements}
        of_suite = {*self.records, *self.beside}
        needed = [step for step in with_inputs(planned.steps) if step.key not in of_suite]
        self.inputs = sorted(needed, key=lambda step: (KINDS[step.kind].priority, step.title))
        self.suite = suite
        self.recomputed: dict[str, Recomputed] = {}
        self.label_rule: str = suite.source.label_rule
        self._load = lru_cache(maxsize=_FILES_KEPT)(folder.load_artifact)
        self.dataset = lru_cache(maxsize=_FILES_KEPT)(lambda ref: dataset_of(self._load(ref)))
        self.subject = lru_cache(maxsize=_SUBJECTS_KEPT)(self._subject)
        self.certificate = lru_cache(maxsize=None)(self._certificate)

    @property
    def steps(self) -> list[Step]:
        """All steps of the run, those that others need first."""
        return [*self.inputs, *self.beside.values(), *self.records.values()]

    def load(self, ref: ArtifactRef) -> Artifact:
        """The artifact that a result rests on; raises `ArtifactDamaged` where it is not that."""
        return self._load(ref)

    def _subject(self, dataset: ArtifactRef, victim: ArtifactRef) -> Subject:
        """What is proved about a victim on a data set, with what any result has found there.

        Raises:
            ArtifactDamaged: one of them is missing, damaged, or another one.
        """
        model = victim_of(self.load(victim))
        found = self._edits_on(dataset, victim)
        return Subject(self.dataset(dataset), model, self.label_rule, found)

    def _certificate(self, step: Step) -> StoredCertificate:
        """The certificate of a step; raises `ArtifactDamaged` where it cannot be read."""
        return stored_certificate(
            self.folder.store.load(step.key).info, self.folder.store.path(step).name
        )

    def certified_beside(self, step: Step, record: Record) -> Tensor:
        """Where a certificate beside a record says that all its attack may do breaks nothing (G,).

        It is of the same victim and data set, and of the same threat but for a larger budget.
        """
        refs = record.dataset.digest, record.victim.digest
        out = torch.zeros(len(record.outcomes), dtype=torch.bool)
        for stored in self._certificates_of(step.inputs["victim"].key):
            same = (stored.dataset, stored.victim) == refs and _covers(stored, record)
            if same and targets_of(stored) == [outcome.target for outcome in record.outcomes]:
                out |= torch.tensor(stored.certified)
        return out

    def _edits_on(self, dataset: ArtifactRef, victim: ArtifactRef) -> Iterator[list[Edits]]:
        """What all results about a victim and a data set have found, as far as they can be read."""
        for step in self.records.values():
            if step.inputs["victim"].key == victim.key:
                with suppress(ArtifactDamaged):  # which its own verdict says
                    record = self.folder.load_record(step.key)
                    if (record.dataset, record.victim) == (dataset, victim):
                        yield stored_edits(record)
        for stored in self._certificates_of(victim.key):
            if (stored.dataset, stored.victim) == (dataset.digest, victim.digest):
                yield witnesses_of(stored)

    def _certificates_of(self, victim: str) -> Iterator[StoredCertificate]:
        """The certificates of a victim, by its key, as far as they can be read."""
        for step in self.beside.values():
            if step.kind == _CERTIFICATE and step.inputs["victim"].key == victim:
                with suppress(ArtifactDamaged):  # which its own verdict says
                    yield self.certificate(step)


def witnesses_of(stored: StoredCertificate) -> list[Edits]:
    """The witness of each target of a certificate; no edits where there is none."""
    return [(witness[0], witness[1]) if witness else ([], []) for witness in stored.witnesses]


def _covers(stored: StoredCertificate, record: Record) -> bool:
    """Whether a certificate's threat allows all that a record's does."""
    own, other = dict(stored.threat), dict(record.threat)
    larger, smaller = own.pop("budget", None), other.pop("budget", None)
    if type(larger) is not type(smaller) or not isinstance(larger, int | float):
        return False
    return own == other and larger >= smaller
