"""What a run's folder holds, and what of it nobody needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.plan.kinds import kind_of
from robust_augcl.plan.step import with_inputs
from robust_augcl.store.run_folder import MANIFEST, Manifest, RunFolder
from robust_augcl.store.store import WRITING, Store, abandoned, discard

_TOP = (
    MANIFEST,
    "run.log",
    "report.md",
    "audit.json",
    "transfer.json",
    "accuracy.",
    "by_class.",
    "budgets.",
    "mechanism.",
    "learning.",
)


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
    """Look through a folder; `everything` counts artifacts that no record rests on as superfluous
    too.

    Raises:
        InputError: no run there, or one of another version.
    """
    manifest = folder.existing_manifest()
    store = folder.store
    loaded = folder.load_records(manifest.records)
    needed = {store.record_path(key) for key in manifest.records}
    rests_on = {
        ref.key
        for record in loaded.records
        for ref in (record.dataset, record.victim, record.attacker)
        if ref
    }
    rests_on |= set(manifest.measurements)
    scores = [key for key in manifest.measurements if kind_of(key).wanted]
    for key in scores:
        try:
            if store.artifact_path(key).exists():
                store.load(key)
        except ArtifactDamaged as error:
            loaded.damaged.append(str(error))
    # Until all is there, what intermediate artifacts hold may be needed: a certificate's parts,
    # until they are merged.
    complete = (
        not loaded.missing
        and not loaded.damaged
        and all(store.artifact_path(key).exists() for key in scores)
    )
    files, planned = list(_files(folder)), _planned(folder, manifest)
    superfluous = []
    for path in files:
        if path.name.startswith(WRITING):
            if abandoned(path):
                superfluous.append(path)
            continue
        stale = path.parent == store.records and path not in needed
        if everything and complete and path.parent == store.artifacts:
            stale |= path.name.removesuffix(".safetensors") not in rests_on
        stale |= path.name.endswith(".damaged")
        stale |= path.parent == store.failures and _over(path, store, planned)
        stale |= path.parent == store.locks and not store.locked(path.stem)
        if stale:
            superfluous.append(path)
    return Survey(
        suite=manifest.suite,
        seeds=manifest.seeds,
        wanted=len(manifest.records) + len(scores),
        there=len(loaded.records) + sum(store.artifact_path(key).exists() for key in scores),
        damaged=loaded.damaged,
        failures=[
            _failure(path)
            for path in files
            if path.parent == store.failures and not _over(path, store, planned)
        ],
        running=[
            path.stem for path in files if path.parent == store.locks and store.locked(path.stem)
        ],
        superfluous=superfluous,
        bytes_used=sum(map(size_of, files)),
        bytes_free=sum(map(size_of, superfluous)),
    )


def remove(path: Path, store: Store) -> bool:
    """Remove a superfluous file, unless a process has taken it up since it was found; return
    whether it was removed.

    Raises:
        InputError: it cannot be removed.
    """
    if path.name.startswith(WRITING):
        return discard(path)
    if path.parent == store.locks:
        with store.claim(path.stem) as mine:  # which ends by removing the file
            return mine
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"Cannot remove {path}: {error.strerror or error}") from None
    return True


def _files(folder: RunFolder) -> Iterator[Path]:
    """The files that a run makes: in its own folders, and at the top; what else lies there is none
    of our business.
    """
    store = folder.store
    for place in (store.artifacts, store.records, store.failures, store.locks):
        yield from (path for path in sorted(place.glob("*")) if path.is_file())
    yield from (
        path
        for path in sorted(folder.path.glob("*"))
        if path.is_file() and path.name.startswith((WRITING, *_TOP))
    )


def size_of(path: Path) -> int:
    """Bytes of a file, 0 where it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:  # a file that was being written is whole now, under its own name
        return 0


def _planned(folder: RunFolder, manifest: Manifest) -> set[str] | None:
    """The keys of all steps behind the folder's results; None where the code of today would compute
    others.
    """
    try:
        keys = {step.key for step in with_inputs(folder.plan(manifest).steps)}
    except InputError:
        return None
    return keys if keys.issuperset(manifest.records) else None


def _over(failure: Path, store: Store, planned: set[str] | None) -> bool:
    """Whether a step that failed was done since, or nobody asks for it any more: its code was
    revised, or a setting changed.
    """
    done = any(
        path.exists()
        for path in (store.record_path(failure.stem), store.artifact_path(failure.stem))
    )
    return done or (planned is not None and failure.stem not in planned)


def _failure(path: Path) -> str:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return f"{content['step']}: {content['error']}"
    except (OSError, ValueError, KeyError, TypeError):
        return f"{path.name}: cannot be read"
