"""The store: what was computed, as plain files, each addressed by what determines it."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.plan.kinds import KINDS, resolve
from robust_augcl.results import strict
from robust_augcl.results.stored_info import About
from robust_augcl.store import files
from robust_augcl.store.artifact import Artifact

if TYPE_CHECKING:  # whoever reads what is stored needs none of what makes it
    from robust_augcl.plan.step import Step


class Store:
    """A folder of artifacts and records.

    Args:
        root: the folder; it is made when something is first written.

    Example:
        >>> Store(Path("runs/quick")).record_path("attack-1").as_posix()
        'runs/quick/records/attack-1.jsonl'
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.artifacts = root / "artifacts"
        self.records = root / "records"
        self.failures = root / "failures"
        self.locks = root / "locks"

    def path(self, step: Step) -> Path:
        """Where a step's result lies."""
        stored_as = KINDS[step.kind].stores
        return self.record_path(step.key) if stored_as == "record" else self.artifact_path(step.key)

    def artifact_path(self, key: str) -> Path:
        return self.artifacts / f"{key}.safetensors"

    def record_path(self, key: str) -> Path:
        return self.records / f"{key}.jsonl"

    def failure_path(self, key: str) -> Path:
        return self.failures / f"{key}.json"

    def lock_path(self, key: str) -> Path:
        return self.locks / f"{key}.lock"

    def claim(self, key: str) -> AbstractContextManager[bool]:
        """Try to be the only one, of all processes on this folder, that computes `key`.

        Yields whether that succeeded. Where there are no locks, every claim succeeds: two runs may
        then compute a step twice, and the last one's equal result stays.
        """
        return files.claim(self.lock_path(key))

    def locked(self, key: str) -> bool:
        """Whether a process computes `key` now; this only looks, and changes nothing."""
        return files.is_claimed(self.lock_path(key))

    def exclusive(self) -> AbstractContextManager[None]:
        """Wait to be the only one that changes what the folder says it holds."""
        return files.exclusive(self.root)

    def load(self, key: str) -> Artifact:
        """Read an artifact.

        Raises:
            ArtifactDamaged: it is missing, or not what was written.
        """
        path = self.artifact_path(key)
        artifact = Artifact.read(path)
        _check(key, artifact, path.name)
        return artifact

    def save(self, key: str, artifact: Artifact) -> None:
        """Write an artifact, whole or not at all.

        Raises:
            InputError: the disk is full, or the folder cannot be written.
        """
        files.write_atomically(self.artifact_path(key), artifact.dumps())


def _check(key: str, artifact: Artifact, source: str) -> None:
    """Raise `ArtifactDamaged` where an artifact does not say what one of its kind says."""
    strict.read_as(About, json.dumps(artifact.about), source, "an artifact's `about`")
    kind = KINDS.get(key.partition("-")[0])
    if kind is None:
        return
    info = resolve(kind.info) if kind.info is not None else None
    read = None if kind.read is None else resolve(kind.read)(artifact.info, source)
    beside = getattr(info, "beside", getattr(read, "beside", ()))
    for name in ("seconds", *kind.seconds, *beside):
        if name not in artifact.about:
            raise ArtifactDamaged(f"{source}: expected `{name}` in its `about`, got none")
    if info is not None:
        what = f"what is said of a {kind.title}"
        strict.read_as(info, json.dumps(artifact.info), source, what)
