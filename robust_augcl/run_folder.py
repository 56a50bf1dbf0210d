"""A run's folder: which suite it holds, which records belong to it, and reading them.

``run.json`` names the suite, the versions, and the records of the latest run of it; artifacts and records lie beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robust_augcl import __version__
from robust_augcl.config import build
from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.measurements import Measurement, stored_certificate
from robust_augcl.records import REVISION, SCHEMA, ArtifactRef, Record, stamp
from robust_augcl.store import Artifact, Store, write_atomically

MANIFEST = "run.json"


@dataclass(frozen=True)
class Manifest:
    """What a run's folder holds.

    Args:
        suite: the suite's name.
        table: the suite as in its file, overrides included, seeds apart.
        fingerprint: of the files that the data came from, None where there are none.
        seeds: of all runs with these settings.
        records: the keys of the records that belong to it, in the order of tables.
        measurements: the keys of the artifacts that are shown beside them.
    """

    suite: str
    table: dict[str, Any]
    fingerprint: str | None
    seeds: list[int]
    records: list[str]
    measurements: list[str] = field(default_factory=list)
    version: str = __version__
    format: tuple[int, int] = (SCHEMA, REVISION)

    def dumps(self) -> bytes:
        return (json.dumps(self.__dict__, indent=1, default=str) + "\n").encode()

    def same_settings(self, other: Manifest) -> bool:
        """Whether two runs differ in seeds alone."""
        mine, theirs = (json.loads(m.dumps()) for m in (self, other))
        return all(mine[name] == theirs[name] for name in ("suite", "table", "fingerprint"))


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
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = Store(path)
        self._records: dict[str, tuple[Any, Record]] = {}  # as last read, with what tells the file from another

    def manifest(self) -> Manifest | None:
        """What the folder holds, None where there is no run.

        Raises:
            InputError: a run of another version, or a manifest that cannot be read.
        """
        path = self.path / MANIFEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            made_by = content["version"], *content["format"]
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            raise InputError(f"Expected {self.path} to be a folder, got a file") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"Cannot read {path}: expected what a run wrote, got {error!r}") from None
        if made_by != (__version__, SCHEMA, REVISION):
            versions = [f"{version} ({'.'.join(map(str, form))})" for version, *form in (made_by, (__version__, SCHEMA, REVISION))]
            raise InputError(
                f"{self.path} holds a run of robust_augcl {versions[0]}, this is {versions[1]}: choose another --out, or use that version"
            )
        return build(Manifest, content, str(path))

    def existing_manifest(self) -> Manifest:
        """What the folder holds; raises `InputError` where there is no run."""
        manifest = self.manifest()
        if manifest is None:
            raise InputError(f"Expected {self.path} to hold a run (a file {MANIFEST}), there is none: see `robust-augcl run --help`")
        return manifest

    def claim(self, seeds: Sequence[int], make: Callable[[Sequence[int]], Manifest]) -> Manifest:
        """Enter a suite in the folder before it runs; runs that differ in seeds alone are kept together.

        `make` makes the manifest of the suite with any seeds.

        Raises:
            InputError: the folder holds another suite, or a run of another version, or cannot be written.
        """
        self.manifest()  # a folder of something else is refused before anything is made
        new = make(sorted(seeds))
        with self.store.exclusive():
            old = self.manifest()
            if old is not None and old.suite != new.suite:
                raise InputError(f"{self.path} holds a run of the suite {old.suite!r}, not {new.suite!r}: choose another --out")
            if old is not None and old.same_settings(new) and not set(old.seeds) <= set(seeds):
                new = make(sorted({*old.seeds, *seeds}))
            if old is None or old.dumps() != new.dumps():
                write_atomically(self.path / MANIFEST, new.dumps())
        return new

    def load_record(self, key: str) -> Record:
        """Read one record; raises `ArtifactDamaged` where it is missing or not what was written. A file is read once while it stays."""
        try:
            state = self.store.record_path(key).stat()
        except OSError:
            return load_record(self.store, key)
        identity = state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
        known = self._records.get(key)
        if known is None or known[0] != identity:
            self._records[key] = known = (identity, load_record(self.store, key))
        return known[1]

    def load_artifact(self, ref: ArtifactRef) -> Artifact:
        """Read the artifact that a result rests on; raises `ArtifactDamaged` where it is missing, damaged, or another one."""
        artifact = self.store.load(ref.key)
        if artifact.digest != ref.digest:
            raise ArtifactDamaged(f"{ref.key}.safetensors: not the artifact that the result rests on: its digest is another")
        return artifact

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

    def stamp(self, records: Sequence[Record]) -> str:
        """Tells these records, and the files that they rest on as they lie here now, from any others."""
        refs = {ref.key for record in records for ref in (record.dataset, record.victim, record.attacker) if ref}
        held = []
        for key in sorted(refs):
            try:
                state = self.store.artifact_path(key).stat()
                held.append(f"{key} {state.st_size} {state.st_mtime_ns}")
            except OSError:
                held.append(f"{key} is missing")
        return hashlib.sha256("\n".join([stamp(records), *held]).encode()).hexdigest()

    def load_measurements(self, manifest: Manifest) -> list[Measurement]:
        """The measurements that are there and whole, in the order of the run's plan.

        Raises:
            InputError: the manifest holds no valid suite.
        """
        from robust_augcl.cells import plan  # whoever only reads records needs none of what makes them
        from robust_augcl.suite import make_suite

        suite = make_suite({**manifest.table, "seeds": manifest.seeds}, str(self.path / MANIFEST))
        found = []
        for cell, step in plan(suite, manifest.fingerprint).measurements:
            try:
                artifact = self.store.load(step.key)
                if step.kind == "certificate":
                    stored_certificate(artifact.info, f"{step.key}.safetensors")
            except ArtifactDamaged:
                continue  # missing; or damaged, which the next run mends
            about = artifact.about
            # Of a representation, those of its pretraining: the SVM's say nothing about a method.
            seconds = about["pretrain_seconds"] if step.kind == "representation" else about["seconds"] + about.get("warm_up_seconds", 0.0)
            found.append(Measurement(step.kind, cell, artifact.info, seconds))  # type: ignore[arg-type]
        return found


def load_record(store: Store, key: str) -> Record:
    """Read one record of a store; raises `ArtifactDamaged` where it is missing or not what was written."""
    path = store.record_path(key)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactDamaged(f"{path.name}: expected a record, got a file that cannot be read ({error})") from error
    record = Record.loads(text, path.name)
    if record.key != key:
        raise ArtifactDamaged(f"{path.name}: expected the record of that step, got that of {record.key}")
    return record
