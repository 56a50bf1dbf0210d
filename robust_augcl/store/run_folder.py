"""A run's folder: its manifest, and reading what belongs to it.

Artifacts and records lie beside the manifest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.plan.kinds import KINDS, resolve
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import ArtifactRef, Record, stamp
from robust_augcl.revisions import changes
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.files import write_atomically
from robust_augcl.store.manifest import MANIFEST, Manifest, read_manifest
from robust_augcl.store.store import Store

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
        # Records as last read, with what tells the file from another.
        self._records: dict[str, tuple[Any, Record]] = {}

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
                f"Expected {self.path} to hold a run (a file {MANIFEST}), there is none: see "
                "`robust-augcl run --help`"
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

        Runs that differ in seeds alone are kept together.

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
            if old is None or old.dumps() != new.dumps():
                write_atomically(self.path / MANIFEST, new.dumps())
        return new

    # --- what its suite asks for today ------------------------------------------------------------

    def plan(self, manifest: Manifest) -> Plan:
        """What the manifest's suite and seeds ask of the code of today.

        Raises:
            InputError: the manifest holds no valid suite.
        """
        from robust_augcl.plan.planner import plan
        from robust_augcl.plan.suite import make_suite

        table = {**manifest.table, "seeds": manifest.seeds}
        return plan(make_suite(table, str(self.path / MANIFEST)), manifest.fingerprint)

    def revised(self, manifest: Manifest) -> list[str]:
        """What of the code behind the results was revised since, in words.

        Raises:
            InputError: the suite is not valid any more.
        """
        return changes(manifest.revisions, self.plan(manifest).revisions)

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
            state = self.store.record_path(key).stat()
        except OSError:
            return load_record(self.store, key)
        identity = state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
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

        Raises:
            InputError: the manifest holds no valid suite, or the suite asks for others today.
        """
        planned = self.plan(manifest).measurements
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
        return found

    def stamp(self, records: Sequence[Record], beside: Iterable[str] = ()) -> str:
        """A digest that tells these records, and the files that they rest on, from any others.

        Args:
            records: all that it is about.
            beside: keys of artifacts that it is about too.
        """
        keys = {ref.key for record in records for ref in refs_of(record)} | set(beside)
        held = []
        for key in sorted(keys):
            try:
                state = self.store.artifact_path(key).stat()
                held.append(f"{key} {state.st_size} {state.st_mtime_ns}")
            except OSError:
                held.append(f"{key} is missing")
        return hashlib.sha256("\n".join([stamp(records), *held]).encode()).hexdigest()


def refs_of(record: Record) -> list[ArtifactRef]:
    """The artifacts that a record rests on."""
    return [ref for ref in (record.dataset, record.victim, record.attacker) if ref is not None]


def load_record(store: Store, key: str) -> Record:
    """Read one record of a store.

    Raises:
        ArtifactDamaged: it is missing, or not what was written.
    """
    path = store.record_path(key)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactDamaged(
            f"{path.name}: expected a record, got a file that cannot be read ({error})"
        ) from error
    record = Record.loads(text, path.name)
    if record.key != key:
        raise ArtifactDamaged(
            f"{path.name}: expected the record of that step, got that of {record.key}"
        )
    return record
