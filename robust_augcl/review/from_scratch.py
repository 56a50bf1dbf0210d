"""Comparing a run with the same run computed from scratch: bits, result by result."""

from __future__ import annotations

from collections.abc import Iterator

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.plan.kinds import KINDS
from robust_augcl.plan.step import Step
from robust_augcl.results.records import Record
from robust_augcl.review.differences import artifacts_differ, records_differ
from robust_augcl.review.recompute import environment_of, other_arithmetic
from robust_augcl.review.stored_run import StoredRun
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.run_folder import RunFolder


def compared(run: StoredRun, made: RunFolder) -> Iterator[tuple[str, list[str]]]:
    """Each result of a run, and what of it is not so in a folder where all was computed again.

    Results that are missing in the run are left out.

    Yields:
        The result's file, with what it is about, and what differs.
    """
    for step in run.steps:
        path = run.folder.store.path(step)
        if path.exists():
            try:
                problems = _problems(step, run.folder, made)
            except ArtifactDamaged as error:
                problems = [str(error)]
            yield f"{path.name} ({step.title})", problems


def other_machines(run: StoredRun, made: RunFolder) -> list[str]:
    """With what else than here results were made, in words, each once: bits may be others there."""
    found: dict[str, None] = {}
    for step in run.steps:
        try:
            stored, again = (_load(step, folder) for folder in (run.folder, made))
        except ArtifactDamaged:
            continue
        if words := other_arithmetic(environment_of(stored), environment_of(again)):
            found[words] = None
    return list(found)


def _load(step: Step, folder: RunFolder) -> Record | Artifact:
    is_record = KINDS[step.kind].stores == "record"
    return folder.load_record(step.key) if is_record else folder.store.load(step.key)


def _problems(step: Step, stored: RunFolder, made: RunFolder) -> list[str]:
    """What of a stored result is not so in the other folder.

    Raises:
        ArtifactDamaged: one of both is missing or cannot be read.
    """
    if not made.store.path(step).exists():
        return ["it could not be computed again"]
    if KINDS[step.kind].stores == "record":
        return records_differ(stored.load_record(step.key), made.load_record(step.key))
    return artifacts_differ(stored.store.load(step.key), made.store.load(step.key))
