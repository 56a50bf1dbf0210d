"""Which steps of a plan are to compute: those whose results are not there, or not whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.plan.kinds import KINDS, resolve
from robust_augcl.plan.step import Step
from robust_augcl.store import files
from robust_augcl.store.run_folder import RunFolder, refs_of
from robust_augcl.workers.watcher import Watcher


class _There(NamedTuple):
    """A result that is there and whole.

    Args:
        digest: its own; empty for a record, which nothing is held against.
        rests_on: the digests of the artifacts that it rests on, by their keys.
    """

    digest: str
    rests_on: Mapping[str, str]


def missing_steps(steps: Sequence[Step], folder: RunFolder, watcher: Watcher) -> list[Step]:
    """The steps to compute, inputs before those that need them: nothing that is there and whole.

    A damaged file is set aside and counts as missing, and so does a result that rests on another
    artifact than the folder holds.

    Args:
        steps: whose results are wanted.
        folder: the run's.
        watcher: is told of files that are set aside.
    """
    search = _Search(folder, watcher)
    for step in steps:
        search.visit(step)
    return list(search.missing.values())


class _Search:
    """Looks through results and what they rest on.

    Attributes:
        missing: the steps to compute, by key, inputs first.
    """

    def __init__(self, folder: RunFolder, watcher: Watcher) -> None:
        self.missing: dict[str, Step] = {}
        self._folder, self._watcher = folder, watcher
        self._seen: dict[str, _There | None] = {}

    def visit(self, step: Step) -> None:
        """Look at a result and what it rests on, or, where it is missing, at what it needs."""
        if step.key not in self._seen:
            try:
                self._seen[step.key] = _look(step, self._folder)
            except ArtifactDamaged as error:
                self._set_aside(step, str(error))
        if step.key in self.missing:
            return
        found = self._seen[step.key]
        if found is not None and found.rests_on:
            self._check_what_it_rests_on(step, found)
        if self._seen[step.key] is None:
            for needed in step.inputs.values():
                self.visit(needed)
            self.missing[step.key] = step

    def _check_what_it_rests_on(self, step: Step, found: _There) -> None:
        """Look at the inputs of a result that is there: replay and audit need them."""
        for needed in step.inputs.values():
            if not KINDS[needed.kind].is_part:
                self.visit(needed)
        held = {key: there.digest for key, there in self._seen.items() if there is not None}
        if any(held.get(key, digest) != digest for key, digest in found.rests_on.items()):
            name = self._folder.store.path(step).name
            self._set_aside(step, f"{name}: it rests on another artifact than the folder holds")

    def _set_aside(self, step: Step, problem: str) -> None:
        aside = files.set_aside(self._folder.store.path(step))
        self._seen[step.key] = None
        self._watcher.note(f"{problem}; set aside as {aside.name}, computing it again")


def _look(step: Step, folder: RunFolder) -> _There | None:
    """A step's result, None where there is none.

    Raises:
        ArtifactDamaged: it is not what was written.
    """
    if not folder.store.path(step).exists():
        return None
    kind = KINDS[step.kind]
    if kind.stores == "record":
        record = folder.load_record(step.key)
        return _There("", {ref.key: ref.digest for ref in refs_of(record)})
    artifact = folder.store.load(step.key)
    if kind.read is None:
        return _There(artifact.digest, {})
    stored = resolve(kind.read)(artifact.info, f"{step.key}.safetensors")
    return _There(
        artifact.digest,
        {step.inputs["dataset"].key: stored.dataset, step.inputs["victim"].key: stored.victim},
    )
