"""Forged runs: what somebody writes who knows the format, checksums included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from robust_augcl.results.records import ArtifactRef, Outcome, Record
from robust_augcl.review.replay import Verdict, replay
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.run_folder import RunFolder

Weights = dict[str, Tensor]


def problems(folder: Path) -> dict[str, list[str]]:
    """What replay finds wrong with each result of a folder, by its file; none is computed again."""
    return {verdict.name.split(" ")[0]: verdict.problems for verdict in _verdicts(folder)}


def words(folder: Path) -> dict[str, str]:
    """What replay proves of each result of a folder, by its file."""
    return {verdict.name.split(" ")[0]: verdict.proved for verdict in _verdicts(folder)}


def _verdicts(folder: Path) -> list[Verdict]:
    run = RunFolder(folder)
    found = replay(run, run.existing_manifest(), lambda verdict: None, quick_seconds=-1)
    return [verdict for verdict in found if verdict.is_result]


def records_of(folder: Path) -> list[Record]:
    """The records of a folder."""
    run = RunFolder(folder)
    return run.load_records(run.existing_manifest().records).records


def forge_record(folder: Path, record: Record, change: Callable[[Outcome], Outcome]) -> None:
    """Change every outcome of a record."""
    changed = replace(record, outcomes=[change(outcome) for outcome in record.outcomes])
    RunFolder(folder).store.record_path(record.key).write_text(changed.dumps())


def forge_victim(
    folder: Path,
    key: str,
    change: Callable[[Weights], None],
    outcome: Callable[[Outcome], Outcome] = lambda outcome: outcome,
    info: Callable[[dict[str, Any]], Mapping[str, Any]] = lambda info: info,
) -> None:
    """Change the weights of a victim, and what rests on it along with it.

    Args:
        folder: the run's.
        key: the victim's.
        change: changes the weights.
        outcome: changes what records say of each target.
        info: changes what certificates say.
    """
    store = RunFolder(folder).store
    victim = store.load(key)
    weights = {name: tensor.clone() for name, tensor in victim.tensors.items()}
    change(weights)
    forged = Artifact(weights, victim.info, victim.about)
    old = victim.digest
    store.artifact_path(key).write_bytes(forged.dumps())
    for record in records_of(folder):
        if record.victim.key == key:
            moved = replace(record, victim=ArtifactRef(key, forged.digest))
            forge_record(folder, moved, outcome)
    for path in store.artifacts.glob("certificate-*"):
        made = Artifact.read(path)
        if made.info["victim"] == old:
            changed = {**info(made.info), "victim": forged.digest}
            path.write_bytes(replace(made, info=changed).dumps())


def perfect(outcome: Outcome) -> Outcome:
    """The target is right, before and after its edits, by a hair."""
    label = outcome.label
    return replace(outcome, clean=label, attacked=label, clean_margin=1e-6, attacked_margin=1e-6)


def all_certified(info: dict[str, Any]) -> Mapping[str, Any]:
    """A certificate that nothing breaks any target."""
    count = len(info["graphs"])
    return {
        **info,
        "certified": [True] * count,
        "settled": [True] * count,
        "lower_margin": [1e-6] * count,
        "witnesses": [None] * count,
    }


def emptied(outcome: Outcome) -> Outcome:
    """Nothing is edited, and that is said to be the worst case."""
    clean, margin = outcome.clean, outcome.clean_margin
    return replace(
        outcome, added=[], removed=[], attacked=clean, attacked_margin=margin, exact=True
    )


def unclaimed(outcome: Outcome) -> Outcome:
    """Nothing is edited, and nothing is said of what more edits would do."""
    return replace(emptied(outcome), exact=outcome.clean != outcome.label)
