"""Replay: prove every record and certificate again, from stored graphs, edits and weights alone.

What they rest on is proved too: data sets are made again, victims and attackers are held against
the plan. What was computed in next to no time is computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.plan.kinds import KINDS, resolve
from robust_augcl.plan.step import Step, with_inputs
from robust_augcl.review.beside import can_share, shared
from robust_augcl.review.input_proofs import of_its_inputs, says_its_step
from robust_augcl.review.proofs import Proof
from robust_augcl.review.recompute import OTHER_BITS, compute_again, mislabelled
from robust_augcl.review.stored_run import QUICK_SECONDS, StoredRun
from robust_augcl.store.manifest import MANIFEST, Manifest
from robust_augcl.store.run_folder import RunFolder

_MOST_TEXT = 300  # of what an error says
LIST = "list"
"""The kind of a verdict on which results there must be."""


@dataclass(frozen=True)
class Verdict:
    """What replaying one result, or what results rest on, found.

    Args:
        kind: what it is: "record", "certificate", "victim"; or `LIST`, of which there must be.
        name: its file.
        proved: what was proved again, in words.
        problems: what does not hold; empty where all does.
        is_result: whether it is asked for by itself; if not, results rest on it.
        missing: whether it is not there yet.
        why_not: why it was not computed again; empty where it was.
        unproved: what would be held against a file that is missing; empty where nothing.
        doubt: what it rests on that is another result here; empty where nothing is.
    """

    kind: str
    name: str
    proved: str
    problems: list[str]
    is_result: bool = True
    missing: bool = False
    why_not: str = ""
    unproved: str = ""
    doubt: str = ""

    @property
    def differs(self) -> bool:
        """Whether it is another result here, and says that it was made where bits may be others.

        That word may be forged: such a result is never said to hold.
        """
        return self.why_not.startswith(OTHER_BITS)

    @property
    def on_trust(self) -> bool:
        """Whether it is a result that is there, does not fail, and is not said to hold either.

        Nothing is proved of it, nor was it computed again; or it, or what it rests on, differs.
        """
        there = self.is_result and not (self.missing or self.problems)
        unproved = not self.proved and bool(self.why_not)
        return there and (unproved or self.differs or bool(self.doubt))


def replay(
    folder: RunFolder,
    manifest: Manifest,
    report: Callable[[Verdict], None],
    archives: Path | None = None,
    quick_seconds: float = QUICK_SECONDS,
    processes: int = 1,
) -> list[Verdict]:
    """Replay the results of a folder, one verdict each, reported as they are reached.

    What each must be about, and which there must be, is worked out again from the suite. How each
    kind of result is proved, the table of step kinds says (`plan.kinds.KINDS`).

    Args:
        folder: the run's.
        manifest: the folder's.
        report: is told each verdict.
        archives: a folder of data set archives, or None.
        quick_seconds: what took no longer, by its own word, is computed again.
        processes: with 2, another one does half of the work where this one can be copied.

    Raises:
        InputError: the folder's manifest holds no valid suite.
    """
    run = StoredRun(folder, manifest, archives, quick_seconds)
    verdicts = []
    for verdict in _verdicts(run, processes):
        report(verdict)
        verdicts.append(verdict)
    return verdicts


def _verdicts(run: StoredRun, processes: int) -> Iterator[Verdict]:
    """First on the lists of results, then on what results rest on, then on each result."""
    yield from _on_lists(run)
    steps = (*run.inputs, *run.records.values(), *run.beside.values())
    theirs = _of_every_other_victim(steps)
    found: Iterable[Verdict | None]
    if processes > 1 and theirs and can_share():
        found = shared(steps, lambda step: _on_result(step, run), lambda step: step.key in theirs)
    else:
        found = (_on_result(step, run) for step in steps)
    differ: dict[str, str] = {}
    for step, verdict in zip(steps, found, strict=True):
        if verdict is None:
            continue
        if verdict.differs:
            differ[step.key] = f"rests on {verdict.name}, which has {verdict.why_not}"
        beneath = {needed.key for needed in with_inputs([step])} - {step.key}
        doubt = next((text for key, text in differ.items() if key in beneath), "")
        yield replace(verdict, doubt=doubt)


def _of_every_other_victim(steps: Sequence[Step]) -> set[str]:
    """The keys of the steps about every other victim: proofs about one of them share much."""
    victims = dict.fromkeys(step.inputs["victim"].key for step in steps if "victim" in step.inputs)
    chosen = set(list(victims)[1::2])
    return {
        step.key
        for step in steps
        if "victim" in step.inputs and step.inputs["victim"].key in chosen
    }


def _on_lists(run: StoredRun) -> Iterator[Verdict]:
    """A verdict on each of the manifest's lists that is not that of its suite and seeds."""
    lists = (
        ("records", run.manifest.records, run.records),
        ("measurements", run.manifest.measurements, run.beside),
    )
    for what, listed, planned in lists:
        if listed != list(planned):
            problem = f"its list of {what} is not that of its suite and seeds"
            yield Verdict(LIST, MANIFEST, "", [problem])
    if run.manifest.suite != run.suite.name:
        yield Verdict(LIST, MANIFEST, "", ["its name of the suite is not the suite's"])


def _on_result(step: Step, run: StoredRun) -> Verdict | None:
    """A verdict on the result of a step; None where nothing proves it, or none is needed."""
    kind, path = KINDS[step.kind], run.folder.store.path(step)
    if kind.prove is None:
        return None
    what = kind.file or kind.title
    name = f"{path.name} ({step.title})"
    if not path.exists():
        # Whatever rests on what is missing says so itself.
        return Verdict(what, name, "", [], missing=True) if kind.wanted else None
    try:
        proof = _proof(step, run)
    except ArtifactDamaged as error:
        proof = Proof("", [str(error)])
    except Exception as error:  # tensors of other names or shapes, settings out of range
        text = " ".join(f"{type(error).__name__}: {error}".split())
        proof = Proof("", [f"nothing can be proved of it: {text[:_MOST_TEXT]}"])
    said = proof.proved, proof.problems
    return Verdict(what, name, *said, kind.wanted, False, proof.why_not, proof.unproved)


def _proof(step: Step, run: StoredRun) -> Proof:
    """What its own proof tells of a result, and computing it again.

    Raises:
        ArtifactDamaged: it, or what it rests on, cannot be read.
    """
    kind = KINDS[step.kind]
    assert kind.prove is not None
    proof: Proof = resolve(kind.prove)(step, run)
    problems = list(proof.problems)
    if kind.stores == "record":
        problems += of_its_inputs(run.folder.load_record(step.key), run)
    else:
        problems += says_its_step(step, run)
    problems += mislabelled(step, run)
    if problems or proof.why_not or not kind.again:
        return replace(proof, problems=problems)
    again = compute_again(step, run)
    words = [proof.proved] if proof.proved else []
    if kind.wanted and not again.why_not:
        words.append("computed again")
    elif words and not again.why_not.startswith(OTHER_BITS):
        words.append(f"not computed again ({again.why_not})")
    text = ", ".join(words)
    return Proof(text, list(again.problems), again.why_not, proof.unproved)
