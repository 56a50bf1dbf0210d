"""A run's folder: its manifest, and reading what belongs to it.

Artifacts and records lie beside the manifest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust_augcl import registry
from robust_augcl.errors import ArtifactDamaged, InputError, shown
from robust_augcl.plan.kinds import KINDS, resolve
from robust_augcl.results import strict
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import ArtifactRef, Record, stamp
from robust_augcl.revisions import changes
from robust_augcl.store import file_sizes
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.files import write_atomically
from robust_augcl.store.manifest import MANIFEST, Manifest, read_manifest
from robust_augcl.store.planned import planned
from robust_augcl.store.store import Store
from robust_augcl.validation import read_text

if TYPE_CHECKING:  # whoever only reads records needs none of what makes them
    from robust_augcl.plan.planner import Plan


@dataclass(frozen=True)
class Loaded:
    """The records of a folder that can be read, and what is wrong with or missing of the others."""

    records: list[Record]
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


class RunFolder:
    """A folder that holds a run.

    Args:
        path: the folder.

    Example:
        >>> RunFolder(Path("no such folder")).manifest() is None
        True
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = Store(path)
        # What was last read, with what tells the file from another: records, digests of artifacts.
        self._records: dict[str, tuple[Any, Record]] = {}
        self._contents: dict[str, tuple[Any, str]] = {}
        self._planned: tuple[bytes, Plan] | None = None  # of the manifest as last planned

    # --- the manifest -----------------------------------------------------------------------------

    def manifest(self) -> Manifest | None:
        """What the folder holds, None where there is no run.

        Raises:
            InputError: a run whose records have another schema, or a manifest that cannot be read.
        """
        return read_manifest(self.path)

    def existing_manifest(self) -> Manifest:
        """What the folder holds.

        Raises:
            InputError: as `manifest`, and where there is no run.
        """
        manifest = self.manifest()
        if manifest is None:
            raise InputError(
                f"Expected the folder of a run, with a file {MANIFEST}, got "
                f"{shown(str(self.path))}: see `robust-augcl run --help`"
            )
        return manifest

    def current_manifest(self) -> Manifest:
        """What the folder holds, for whoever goes on from it with the code of today.

        Raises:
            InputError: there is no run, no valid suite, or the code behind the results was revised
                since.
        """
        manifest = self.existing_manifest()
        if revised := self.revised(manifest):
            raise InputError(
                f"{self.path} holds results of other revisions: {', '.join(revised)}. "
                "`robust-augcl run` on its suite and seeds computes again what has changed and "
                "reuses the rest; `show` shows what is there"
            )
        return manifest

    def claim(self, seeds: Sequence[int], make: Callable[[Sequence[int]], Manifest]) -> Manifest:
        """Enter a suite in the folder before it runs.

        Runs that differ in seeds alone are kept together. What was planned is what the first of
        them was asked for (`store.planned`).

        Args:
            seeds: of the run.
            make: makes the manifest of the suite with any seeds.

        Raises:
            InputError: the folder holds another suite, or a run whose records have another schema,
                or cannot be written.
        """
        self.manifest()  # a folder of something else is refused before anything is made
        new = make(sorted(seeds))
        with self.store.exclusive():
            old = self.manifest()
            if old is not None and old.suite != new.suite:
                raise InputError(
                    f"{self.path} holds a run of the suite {old.suite!r}, not {new.suite!r}: "
                    "choose another --out"
                )
            if old is not None and old.same_settings(new) and not set(old.seeds) <= set(seeds):
                new = make(sorted({*old.seeds, *seeds}))
            before = planned(self.store, old, new, seeds, make)
            new = replace(
                new,
                planned_seeds=before.seeds,
                planned_names=before.names,
                planned_comparisons=before.comparisons,
                planned_before=before.before,
            )
            if old is None or old.dumps() != new.dumps():
                write_atomically(self.path / MANIFEST, new.dumps())
        return new

    # --- what its suite asks for today ------------------------------------------------------------

    def plan(self, manifest: Manifest) -> Plan:
        """What the manifest's suite and seeds ask of the code of today.

        Raises:
            PackageMissing, ConsentMissing: the code of a plug-in is not here, or not consented to.
            InputError: the manifest holds no valid suite.
        """
        from robust_augcl.plan.planner import plan
        from robust_augcl.plan.suite import make_suite

        content = manifest.dumps()
        if self._planned is None or self._planned[0] != content:
            registry.refuse_absent(manifest.table, manifest.revisions, str(self.path))
            table = {**manifest.table, "seeds": manifest.seeds}
            suite = make_suite(table, str(self.path / MANIFEST))
            self._planned = content, plan(suite, manifest.fingerprint)
        return self._planned[1]

    def revised(self, manifest: Manifest) -> list[str]:
        """What of the code behind the results was revised since, in words.

        Raises:
            InputError: as `plan`.
        """
        return changes(manifest.revisions, self.plan(manifest).revisions)

    def unlisted(self, manifest: Manifest) -> list[str]:
        """The keys of the records that its suite and seeds ask for and the manifest does not list.

        Raises:
            InputError: as `plan`.
        """
        listed = set(manifest.records)
        return [step.key for step in self.plan(manifest).attacks if step.key not in listed]

    def require_planned(self, keys: Iterable[str], planned: Container[str]) -> None:
        """Refuse results that the suite does not ask for today: a setting came or went.

        Raises:
            InputError: one of the keys is not planned.
        """
        if any(key not in planned for key in keys):
            raise InputError(
                f"{self.path} holds results that its suite does not ask for today: "
                "`robust-augcl run` on its suite and seeds computes what it asks for and reuses "
                "the rest"
            )

    # --- what it holds ----------------------------------------------------------------------------

    def load_record(self, key: str) -> Record:
        """Read one record. A file is read once while it stays as it is.

        Raises:
            ArtifactDamaged: it is missing, or not what was written.
        """
        try:
            identity = _identity(self.store.record_path(key))
        except OSError:
            return load_record(self.store, key)
        known = self._records.get(key)
        if known is None or known[0] != identity:
            self._records[key] = known = (identity, load_record(self.store, key))
        return known[1]

    def load_records(self, keys: Sequence[str]) -> Loaded:
        """Read records, those that are there and whole."""
        loaded = Loaded([])
        for key in keys:
            if not self.store.record_path(key).exists():
                loaded.missing.append(f"{key}.jsonl")
                continue
            try:
                loaded.records.append(self.load_record(key))
            except ArtifactDamaged as error:
                loaded.damaged.append(str(error))
        return loaded

    def load_artifact(self, ref: ArtifactRef) -> Artifact:
        """Read the artifact that a result rests on.

        Raises:
            ArtifactDamaged: it is missing, damaged, or another one.
        """
        artifact = self.store.load(ref.key)
        if artifact.digest != ref.digest:
            raise ArtifactDamaged(
                f"{ref.key}.safetensors: not the artifact that the result rests on: its digest "
                "is another"
            )
        return artifact

    def load_measurements(self, manifest: Manifest) -> list[Measurement]:
        """The measurements that are there and whole, in the order of the run's plan.

        What is told of the data sets comes last.

        Raises:
            InputError: the manifest holds no valid suite, or the suite asks for others today.
        """
        made_for = self.plan(manifest)
        planned = made_for.measurements
        self.require_planned(manifest.measurements, {step.key for _, step in planned})
        found = []
        for cell, step in planned:
            kind = KINDS[step.kind]
            try:
                artifact = self.store.load(step.key)
                if kind.read is not None:
                    resolve(kind.read)(artifact.info, f"{step.key}.safetensors")
            except ArtifactDamaged:
                continue  # missing; or damaged, which the next run mends
            seconds = sum(artifact.about[name] for name in kind.seconds)
            made = Measurement(step.kind, cell, artifact.info, seconds)  # type: ignore[arg-type]
            found.append(made)
        return [*found, *self.descriptions(made_for)]

    def descriptions(self, planned: Plan) -> list[Measurement]:
        """What is told of what all attacks rest on: of each data set, under the suite's threat."""
        found = {}
        for attack in planned.attacks:
            for needed in attack.inputs.values():
                describe = KINDS[needed.kind].describe
                if describe is None or needed.key in found or attack.cell is None:
                    continue
                try:
                    artifact = self.store.load(needed.key)
                    source = needed.settings["source"]
                    values = resolve(describe)(artifact, attack.settings["threat"], source)
                except ArtifactDamaged:
                    continue
                about = replace(attack.cell, method="", layers=0, attack="", protocol="", budget=0)
                made = Measurement(needed.kind, about, values, 0.0)  # type: ignore[arg-type]
                found[needed.key] = made
        return list(found.values())

    def stamp(self, records: Sequence[Record], beside: Iterable[str] = ()) -> str:
        """A digest that tells these records, and what they rest on, from any others.

        It is one of content alone: a copied folder has the stamp of its original, and an artifact
        that was altered, or is gone, gives another one.

        Args:
            records: all that it is about.
            beside: keys of artifacts that it is about too.
        """
        keys = {ref.key for record in records for ref in refs_of(record)} | set(beside)
        held = [f"{key} {self._content(key)}" for key in sorted(keys)]
        return hashlib.sha256("\n".join([stamp(records), *held]).encode()).hexdigest()

    def _content(self, key: str) -> str:
        """The digest of an artifact, or why there is none. A file is read once while it stays."""
        path = self.store.artifact_path(key)
        try:
            identity = _identity(path)
        except OSError:
            return "is missing"
        known = self._contents.get(key)
        if known is None or known[0] != identity:
            try:
                content = self.store.load(key).digest
            except ArtifactDamaged:
                content = "is damaged"
            self._contents[key] = known = (identity, content)
        return known[1]


def _identity(path: Path) -> tuple[int, ...]:
    """What tells a file, while a process runs, from another one that takes its place."""
    state = path.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def refs_of(record: Record) -> list[ArtifactRef]:
    """The artifacts that a record rests on."""
    return record.rests_on


def load_record(store: Store, key: str) -> Record:
    """Read one record of a store.

    Raises:
        ArtifactDamaged: it is missing, or not what was written.
    """
    path = store.record_path(key)
    try:
        text = read_text(path, file_sizes.RECORD)
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactDamaged(
            f"{path.name}: expected a record, got a file that cannot be read "
            f"({strict.reason(error)})"
        ) from None
    record = Record.loads(text, path.name)
    if record.key != key:
        raise ArtifactDamaged(
            f"{path.name}: expected the record of that step, got that of {record.key}"
        )
    return record
