"""Replay: prove every record and certificate again, from stored graphs, edits and weights alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.plan.kinds import KINDS, resolve
from robust_augcl.plan.step import Step
from robust_augcl.review.proofs import Proof
from robust_augcl.review.stored_run import StoredRun
from robust_augcl.store.manifest import MANIFEST, Manifest
from robust_augcl.store.run_folder import RunFolder

LIST = "list"
"""The kind of a verdict on which results there must be."""


@dataclass(frozen=True)
class Verdict:
    """What replaying one result found.

    Args:
        kind: what the result is: "record", "certificate"; or `LIST`, of which there must be.
        name: the result's file.
        proved: what was proved again, in words.
        problems: what does not hold; empty where all does.
    """

    kind: str
    name: str
    proved: str
    problems: list[str]


def replay(
    folder: RunFolder, manifest: Manifest, report: Callable[[Verdict], None]
) -> list[Verdict]:
    """Replay the results of a folder, one verdict each, reported as they are reached.

    What each must be about, and which there must be, is worked out again from the suite. How each
    kind of result is proved, the table of step kinds says (`plan.kinds.KINDS`).

    Raises:
        InputError: the folder's manifest holds no valid suite.
    """
    run = StoredRun(folder, manifest)
    verdicts = []
    for verdict in _verdicts(run):
        report(verdict)
        verdicts.append(verdict)
    return verdicts


def _verdicts(run: StoredRun) -> Iterator[Verdict]:
    """First on the lists of results, then on each result."""
    yield from _on_lists(run)
    for step in (*run.records.values(), *run.beside.values()):
        if KINDS[step.kind].prove is not None:
            yield _on_result(step, run)


def _on_lists(run: StoredRun) -> Iterator[Verdict]:
    """A verdict on each of the manifest's lists that is not that of its suite and seeds."""
    lists = (
        ("records", run.manifest.records, run.records),
        ("measurements", run.manifest.measurements, run.beside),
    )
    for what, listed, planned in lists:
        if set(listed) != set(planned):
            problem = f"its list of {what} is not that of its suite and seeds"
            yield Verdict(LIST, MANIFEST, "", [problem])


def _on_result(step: Step, run: StoredRun) -> Verdict:
    kind = KINDS[step.kind]
    assert kind.prove is not None
    try:
        proof: Proof = resolve(kind.prove)(step, run)
    except ArtifactDamaged as error:
        proof = Proof("", [str(error)])
    what = "record" if kind.stores == "record" else kind.title
    name = f"{run.folder.store.path(step).name} ({step.title})"
    return Verdict(what, name, proof.proved, proof.problems)
