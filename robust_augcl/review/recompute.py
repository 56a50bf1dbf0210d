"""Steps that replay computes again from their stored inputs, where that takes next to nothing.

All chance of a step is seeded by what it is for. So an attack proposes the same edits again, and a
victim is trained to the same weights, to the bit: in portable arithmetic on every processor that
has it, in fast arithmetic on the same one. Elsewhere the bits may differ. So what differs there is
no fault. But where it was made is the result's own word: nothing that differs is said to hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from robust_augcl.arithmetic import PORTABLE
from robust_augcl.errors import ArtifactDamaged, message_of, shown
from robust_augcl.plan.kinds import KINDS, resolve
from robust_augcl.plan.step import Step
from robust_augcl.results.records import Record
from robust_augcl.review.apart import ProcessEnded, apart
from robust_augcl.review.differences import artifacts_differ, records_differ
from robust_augcl.review.stored_run import Recomputed, StoredRun
from robust_augcl.review.without_model import NO_MODEL, is_missing
from robust_augcl.steps.context import Context, environment
from robust_augcl.steps.inputs import Inputs, read_inputs
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.store import Store

OTHER_BITS = "other bits here, but made with"
"""How it begins why a result is on trust that is another one where it is computed again."""
_WHERE = ("arithmetic", "device", "threads")
_LIBRARIES = ("python", "torch", "torch-geometric", "numpy", "scipy", "scikit-learn")


def compute_again(step: Step, run: StoredRun) -> Recomputed:
    """Compute a step again from its stored inputs, and compare what is stored.

    Nothing is computed where the table of kinds says that it is not (`again`), or where the step
    took too long by its own word. What was computed again is not computed once more.
    Choosing among what other attacks found takes next to nothing,
    whatever its record says: it is always done again. Whatever a step raises, is a problem.

    Raises:
        ArtifactDamaged: its own result is missing, or not what was written.
    """
    if step.key not in run.recomputed:
        run.recomputed[step.key] = _recomputed(step, run)
    return run.recomputed[step.key]


def _recomputed(step: Step, run: StoredRun) -> Recomputed:
    kind = KINDS[step.kind]
    stored = _stored(step, run)
    if not kind.again:
        return Recomputed("not computed again here")
    took = 0.0 if _combines(step) else _seconds(stored)
    if not 0 <= took <= run.quick_seconds:  # which seconds that are no number are not
        return Recomputed(f"took longer than {run.quick_seconds:g} s")
    step = _in_one_piece(step)
    try:
        inputs = read_inputs(step, run.folder.store)
    except ArtifactDamaged:
        return Recomputed("what it was computed from is not all there")
    if any(map(is_missing, inputs.artifacts.values())):
        return Recomputed(NO_MODEL)
    return made_here(stored, _compared(step, stored, inputs, run.archives))


def made_here(stored: Record | Artifact, problems: Sequence[str]) -> Recomputed:
    """What came of computing a result again here, where this differs from what is stored.

    Nothing is said to differ that was made, by its own word, where bits may be others. It is not
    said to be the same either.
    """
    here = environment(Context(Store(Path("nowhere"))))
    elsewhere = other_arithmetic(environment_of(stored), here)
    if problems and elsewhere:
        return Recomputed(f"{OTHER_BITS} {elsewhere}")
    return Recomputed(problems=tuple(problems))


def other_arithmetic(stored: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """What of a stored environment may give other bits than this one; empty where nothing may.

    Example:
        >>> here = {"arithmetic": "fast", "processor": "A", "versions": {"torch": "2"}}
        >>> other_arithmetic(here, here)
        ''
        >>> other_arithmetic({**here, "processor": "B", "versions": {"torch": "1"}}, here)
        'processor B and torch 1'
        >>> portable = {**here, "arithmetic": "portable"}
        >>> other_arithmetic({**portable, "processor": "B"}, portable)
        ''
    """
    both_portable = stored.get("arithmetic") == here.get("arithmetic") == PORTABLE
    names = _WHERE if both_portable else (*_WHERE, "processor")
    words = [
        f"{name} {stored.get(name, 'unknown')}"
        for name in names
        if stored.get(name) != here.get(name)
    ]
    versions, own = (
        each if isinstance(each := of.get("versions"), Mapping) else {} for of in (stored, here)
    )
    words += [
        f"{name} {versions.get(name, 'unknown')}"
        for name in _LIBRARIES
        if versions.get(name) != own.get(name)
    ]
    return " and ".join(words)


def mislabelled(step: Step, run: StoredRun) -> list[str]:
    """What is wrong where a result is kept as portable, and says that it is not; empty elsewhere.

    The other way round is allowed: what is fast may be computed in any arithmetic.

    Raises:
        ArtifactDamaged: it is missing, or not what was written.
    """
    said = environment_of(_stored(step, run)).get("arithmetic", PORTABLE)
    if step.arithmetic != PORTABLE or said == PORTABLE:
        return []
    return [f"kept as computed in portable arithmetic, it says {shown(said)}"]


def _stored(step: Step, run: StoredRun) -> Record | Artifact:
    is_record = KINDS[step.kind].stores == "record"
    return run.folder.load_record(step.key) if is_record else run.folder.store.load(step.key)


def environment_of(stored: Record | Artifact) -> Mapping[str, Any]:
    """What a result says of where it was computed."""
    found = stored.environment if isinstance(stored, Record) else stored.about.get("environment")
    return found if isinstance(found, Mapping) else {}


def _compared(
    step: Step, stored: Record | Artifact, inputs: Inputs, archives: Path | None
) -> list[str]:
    """What is not so of a stored result, by computing the step again from these inputs."""
    nowhere = Store(Path("nowhere"))  # a step reads nothing but its inputs
    context = Context(nowhere, archives=archives)

    def differences() -> list[str]:
        try:
            made = resolve(KINDS[step.kind].compute)(step, inputs, context)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # other people's code may even try to end the process
            return [f"cannot be computed again: {message_of(error)}"]
        if isinstance(stored, Record):
            return list(records_differ(stored, made))
        return list(artifacts_differ(stored, made))

    try:
        return apart(differences)
    except ProcessEnded as error:
        return [f"computing it again ended the process: {error}"]


def _in_one_piece(step: Step) -> Step:
    """The step without the parts of its work: its result is the same, and proves them too."""
    whole = {role: need for role, need in step.inputs.items() if not KINDS[need.kind].is_part}
    return replace(step, inputs=whole)


def _combines(step: Step) -> bool:
    """Whether a step chooses among what other attacks found."""
    return any(KINDS[needed.kind].stores == "record" for needed in step.inputs.values())


def _seconds(stored: Record | Artifact) -> float:
    """How long the step took by its own word; NaN where it says none."""
    if isinstance(stored, Artifact):
        took = stored.about.get("seconds")
        return float(took) if isinstance(took, int | float) else float("nan")
    learnt_before = stored.attacker is not None
    return stored.attack_seconds + (0.0 if learnt_before else stored.fit_seconds)
