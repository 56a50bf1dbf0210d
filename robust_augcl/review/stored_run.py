"""A finished run as replay needs it: its folder, its plan, and its files, read on demand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.plan.planner import plan
from robust_augcl.plan.step import Step
from robust_augcl.plan.suite import make_suite
from robust_augcl.results.measurements import StoredCertificate, stored_certificate
from robust_augcl.results.records import ArtifactRef
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.manifest import MANIFEST, Manifest
from robust_augcl.store.run_folder import RunFolder

_FILES_KEPT = 8


class StoredRun:
    """A run's folder, with the suite and the plan that its manifest holds.

    Args:
        folder: the run's.
        manifest: the folder's.

    Raises:
        InputError: the manifest holds no valid suite.

    Attributes:
        records: the steps whose results are records, by key.
        beside: the steps whose results are shown beside them, by key.
        label_rule: how it can be proved that an edit keeps the class.
    """

    def __init__(self, folder: RunFolder, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        table = {**manifest.table, "seeds": manifest.seeds}
        suite = make_suite(table, str(folder.path / MANIFEST))
        planned = plan(suite, manifest.fingerprint)
        self.records = {step.key: step for step in planned.attacks}
        self.beside = {measured.step.key: measured.step for measured in planned.measurements}
        self.label_rule: str = suite.source.label_rule
        self._load = lru_cache(maxsize=_FILES_KEPT)(folder.load_artifact)

    def load(self, ref: ArtifactRef) -> Artifact:
        """The artifact that a result rests on; raises `ArtifactDamaged` where it is not that."""
        return self._load(ref)

    def certificate(self, step: Step) -> StoredCertificate:
        """The certificate of a step; raises `ArtifactDamaged` where it cannot be read."""
        return stored_certificate(
            self.folder.store.load(step.key).info, self.folder.store.path(step).name
        )

    def certificates_beside(self, step: Step) -> Iterator[StoredCertificate]:
        """The other certificates of the same data set and victim, as far as they can be read."""
        stored, victim = self.certificate(step), step.inputs["victim"].key
        for other in self.beside.values():
            of_victim = "victim" in other.inputs and other.inputs["victim"].key == victim
            if other.kind == step.kind and other.key != step.key and of_victim:
                with suppress(ArtifactDamaged):  # which its own verdict says
                    found = self.certificate(other)
                    if (found.dataset, found.victim) == (stored.dataset, stored.victim):
                        yield found
