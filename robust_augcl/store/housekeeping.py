"""What a run's folder holds, and what of it nobody needs.

Only what the store itself has made is looked at: files, no links and no folders, under names of the
store's own form, in folders that are no links. Whatever else lies there is none of our business.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from robust_augcl.errors import ArtifactDamaged, InputError, cut
from robust_augcl.plan.kinds import KINDS, kind_of
from robust_augcl.plan.step import Step, with_inputs
from robust_augcl.results import strict
from robust_augcl.store import file_sizes
from robust_augcl.store.files import (
    abandoned,
    discard,
    is_of_writing,
    is_regular,
    unlink_inside,
)
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder, refs_of
from robust_augcl.store.store import Store
from robust_augcl.validation import read_text

_MOST_SAID = 2000  # letters of a failed step's error
_TOP = re.compile(
    r"run\.json|run\.log|report\.md|(audit|transfer|report-stamp)\.json"
    r"|(accuracy|by_class|budgets|mechanism|learning)\.(png|svg)"
)
"""The names of the files that a run makes at the top of its folder."""

_KEY = r"[a-z][a-z_]*-[0-9a-f]{20}"
"""The form of a step's key."""

_DAMAGED = ".damaged"


@dataclass(frozen=True)
class Survey:
    """What a folder holds.

    Args:
        suite, seeds: of the latest run.
        wanted, there: results that belong to it, and those of them that are whole.
        damaged: records that are not what was written.
        failures: steps that failed, were not done since and are still asked for, with their errors.
        running: keys of steps that a run computes now.
        superfluous: files that nothing needs.
        bytes_used, bytes_free: of all files, and of the superfluous ones.
    """

    suite: str
    seeds: list[int]
    wanted: int
    there: int
    damaged: list[str]
    failures: list[str]
    running: list[str]
    superfluous: list[Path]
    bytes_used: int
    bytes_free: int


def survey(folder: RunFolder, everything: bool = False) -> Survey:
    """Look through a folder.

    Args:
        folder: the run's.
        everything: whether artifacts that no result rests on count as superfluous too.

    Raises:
        InputError: no run there, or one of another version.
    """
    return _Surveyor(folder).survey(everything)


class _Surveyor:
    """Looks through one folder, once."""

    def __init__(self, folder: RunFolder) -> None:
        self._store = folder.store
        self._manifest = folder.existing_manifest()
        self._planned = _planned(folder, self._manifest)
        self._records = {self._store.record_path(key) for key in self._manifest.records}
        self._loaded = folder.load_records(self._manifest.records)
        self._files = list(_files(folder))
        self._artifacts = [key for key in self._manifest.measurements if kind_of(key).wanted]
        self._there = [key for key in self._artifacts if self._store.artifact_path(key).exists()]
        self._damaged = [*self._loaded.damaged, *self._damaged_artifacts()]

    def survey(self, everything: bool) -> Survey:
        locks = [path for path in self._files if path.parent == self._store.locks]
        failures = [path for path in self._files if path.parent == self._store.failures]
        kept = self._kept() if everything and self._is_complete() else None
        superfluous = [path for path in self._files if self._is_superfluous(path, kept)]
        return Survey(
            suite=self._manifest.suite,
            seeds=self._manifest.seeds,
            wanted=len(self._manifest.records) + len(self._artifacts),
            there=len(self._loaded.records) + len(self._there),
            damaged=self._damaged,
            failures=[_failure(path) for path in failures if not self._is_over(path)],
            running=[path.stem for path in locks if self._store.locked(path.stem)],
            superfluous=superfluous,
            bytes_used=sum(map(size_of, self._files)),
            bytes_free=sum(map(size_of, superfluous)),
        )

    def _damaged_artifacts(self) -> Iterator[str]:
        for key in self._there:
            try:
                self._store.load(key)
            except ArtifactDamaged as error:
                yield str(error)

    def _is_complete(self) -> bool:
        """Whether all results are there. Until then, what lies between may be needed."""
        missing = self._loaded.missing or len(self._there) < len(self._artifacts)
        return not missing and not self._damaged

    def _kept(self) -> set[str]:
        """The keys of the artifacts that stay when all results are there."""
        rests_on = {ref.key for record in self._loaded.records for ref in refs_of(record)}
        planned = [] if self._planned is None else self._planned.values()
        kept = {step.key for step in planned if KINDS[step.kind].kept}
        return rests_on | set(self._manifest.measurements) | kept

    def _is_superfluous(self, path: Path, kept: set[str] | None) -> bool:
        """Whether nothing needs a file; `kept` are the artifacts that stay, None for all."""
        store = self._store
        if is_of_writing(path.name):
            return abandoned(path)
        if path.name.endswith(_DAMAGED):
            return True
        if path.parent == store.records:
            return path not in self._records
        if path.parent == store.artifacts:
            return kept is not None and path.name.removesuffix(".safetensors") not in kept
        if path.parent == store.failures:
            return self._is_over(path)
        return path.parent == store.locks and not store.locked(path.stem)

    def _is_over(self, failure: Path) -> bool:
        """Whether a step that failed was done since, or nobody asks for it any more.

        Its code was revised then, or a setting changed.
        """
        key = failure.stem
        paths = self._store.record_path(key), self._store.artifact_path(key)
        forgotten = self._planned is not None and key not in self._planned
        return forgotten or any(path.exists() for path in paths)


def remove(path: Path, store: Store) -> bool:
    """Remove a superfluous file, unless a process has taken it up since it was found.

    Only files of the store's own are removed. Nothing outside its folder is touched, whatever a
    link says.

    Returns:
        Whether it was removed.

    Raises:
        InputError: it cannot be removed.
    """
    if not _is_own(path, store):
        return False
    if is_of_writing(path.name):
        return discard(path)
    if path.parent == store.locks:
        with store.claim(path.stem) as mine:  # which ends by removing the file
            return mine
    try:
        return unlink_inside(path, store.root)
    except OSError as error:
        raise InputError(f"Cannot remove {path}: {error.strerror or error}") from None


def size_of(path: Path) -> int:
    """Bytes of a file, 0 where it is gone."""
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:  # a file that was being written is whole now, under its own name
        return 0


def _files(folder: RunFolder) -> Iterator[Path]:
    """The files that a run makes; what else lies in the folder is none of our business."""
    store = folder.store
    for place in (store.artifacts, store.records, store.failures, store.locks, store.root):
        yield from (path for path in sorted(place.glob("*")) if _is_own(path, store))


def _is_own(path: Path, store: Store) -> bool:
    """Whether the store has made a file: it lies where it puts such files, under such a name."""
    names = {
        store.artifacts: rf"{_KEY}\.safetensors({_DAMAGED})?",
        store.records: rf"{_KEY}\.jsonl({_DAMAGED})?",
        store.failures: rf"{_KEY}\.json",
        store.locks: rf"{_KEY}\.lock",
        store.root: _TOP.pattern,
    }
    if path.parent not in names or not is_regular(path):
        return False
    if path.parent != store.root and path.parent.is_symlink():  # it leads out of the folder
        return False
    is_named = re.fullmatch(names[path.parent], path.name) is not None
    return is_named or is_of_writing(path.name)


def _planned(folder: RunFolder, manifest: Manifest) -> dict[str, Step] | None:
    """All steps behind the folder's results, by key.

    None where the code of today would compute others.
    """
    try:
        steps = {step.key: step for step in with_inputs(folder.plan(manifest).steps)}
    except InputError:
        return None
    return steps if steps.keys() >= set(manifest.records) else None


def _failure(path: Path) -> str:
    try:
        content = strict.parse(read_text(path, file_sizes.FAILURE))
        step, error = content["step"], content["error"]
        if type(step) is not str or type(error) is not str:
            raise TypeError("no texts")
        return cut(f"{step}: {error}", _MOST_SAID)
    except (OSError, ValueError, KeyError, TypeError):
        return f"{path.name}: cannot be read"
