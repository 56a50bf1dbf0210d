"""What replay proves of poisoning: the edited graph, and the victim that was trained again on it.

The victim is trained again from nothing but the stored edited graph, whatever that takes. Nothing
less tells whether the verdicts are those of a model of that graph: any stored weights give the
predictions that somebody has written down beside them. That the named attack made the edits is told
only by letting it propose again, which is done where it took as little time as `--again` allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import ThreatViolation, message_of
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.plan.kinds import KINDS, resolve
from robust_augcl.plan.step import Step
from robust_augcl.results.records import Record
from robust_augcl.review.apart import ProcessEnded, apart
from robust_augcl.review.differences import artifacts_differ, same
from robust_augcl.review.edited import perturbation_of
from robust_augcl.review.input_proofs import others
from robust_augcl.review.judge import Judge
from robust_augcl.review.proofs import (
    Proof,
    StoredPredictions,
    check_predictions,
    differing,
    not_of_step,
    perturbations_of,
    threat_of,
)
from robust_augcl.review.recompute import compute_again, made_here
from robust_augcl.review.stored_run import Recomputed, StoredRun
from robust_augcl.review.subject import Subject
from robust_augcl.steps.artifacts import dataset_artifact, dataset_of, victim_of
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import Inputs
from robust_augcl.steps.poisoning import edited_data
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.store import Store
from robust_augcl.threat.model import ThreatModel

_ASKED = ("queries", "gradient_calls")
_NOWHERE = Store(Path("nowhere"))
"""A step reads nothing but its inputs."""
_AGAIN = "the victim trained again on the edited graph gives the same weights"
_PROPOSED = "the attack makes the same edits again"
_UNTOLD = "the edits are allowed, that the attack made them is on trust"


def prove_edited_data(step: Step, run: StoredRun) -> Proof:
    """Prove that an edited data set is the clean one after allowed edits, and nothing else.

    Raises:
        ArtifactDamaged: it, the clean one or the victim is missing, or not what was written.
    """
    store = run.folder.store
    stored, clean = store.load(step.key), store.load(step.inputs["dataset"].key)
    expected = {
        "label": clean.info["label"],
        "label_rule": clean.info["label_rule"],
        "num_classes": clean.info["num_classes"],
        "clean": clean.digest,
        "victim": store.load(step.inputs["victim"].key).digest,
    }
    problems = others(stored.info, expected)
    return Proof("", problems or _of_its_edits(stored, dataset_of(clean), step.settings["threat"]))


def _of_its_edits(stored: Artifact, clean: Dataset, threat: ThreatModel) -> list[str]:
    """What of an edited data set is not the clean one after the edits that it names."""
    edits = stored.info["edits"]
    perturbation = perturbation_of(edits["added"], edits["removed"])
    try:
        threat.check_all(clean.part(clean.attacked[:1]), [perturbation])
    except ThreatViolation as error:
        return [str(error)]
    made = dataset_artifact(edited_data(clean, perturbation), {})
    tensors = Artifact(made.tensors), Artifact(stored.tensors)
    return [
        problem.replace("computed again", "edited again") for problem in artifacts_differ(*tensors)
    ]


def prove_poisoning(step: Step, run: StoredRun) -> Proof:
    """Prove the record of a poisoning again: its edits, both verdicts, and the training between.

    Where the training gives other bits and may do so here, the verdicts are on trust.

    Raises:
        ArtifactDamaged: the record, or a file that it rests on, cannot be read.
    """
    record = run.folder.load_record(step.key)
    held = {ref.key: run.load(ref) for ref in record.rests_on}
    if problems := not_of_step(step, record):
        return Proof("", problems)
    edited, retrained = (held[step.inputs[role].key] for role in ("edited", "retrained"))
    subject = run.subject(record.dataset, record.victim)
    if problems := check_poisoning(record, subject, edited, victim_of(retrained)):
        return Proof("", problems)
    proposed = compute_again(step.inputs["edited"], run)
    if proposed.problems:
        return Proof("", ["its edits are not those that its attack makes"])
    again = _trained_again(step, edited, retrained)
    if again.problems:
        return Proof("", list(again.problems))
    words = [f"{record.num_graphs} graphs{subject.targets.judge.words}"]
    if not again.why_not:
        words.append(_AGAIN)
    words.append(f"{_UNTOLD} ({proposed.why_not})" if proposed.why_not else _PROPOSED)
    return Proof(", ".join(words), [], again.why_not)


def check_poisoning(
    record: Record, subject: Subject, edited: Artifact, retrained: Victim
) -> list[str]:
    """What does not hold of a record of poisoning by the stored weights; nothing is trained.

    Checked are targets, classes, edits within the threat, the edited graph, how often the attack
    asked, predictions, margins.

    Args:
        record: what is checked.
        subject: the clean data set and victim that it rests on.
        edited: the edited data set that it rests on.
        retrained: the victim that was trained again.
    """
    outcomes, names = record.outcomes, subject.targets.names
    after = dataset_of(edited)
    if not [o.target for o in outcomes] == names == after.targets_at(after.attacked).names():
        return ["the attacked nodes are not the test nodes of both data sets"]
    graphs, edits = subject.targets.graphs, record.shared_edits
    try:
        threat_of(record).check_all(graphs, perturbations_of(record))
    except ThreatViolation as error:
        return [str(error)]
    if edits is None or not same(vars(edits), edited.info["edits"]):
        return ["its edits are not those of its edited data set"]
    # The attack made them with so many questions: the record has no attack of its own to ask.
    if other := [name for name in _ASKED if getattr(record, name) != edited.info[name]]:
        return [f"its {' and '.join(other)} are not those of its edited data set"]
    judges = subject.targets.judge, Judge(retrained, after.part(after.attacked))
    if problems := [problem for judge in judges for problem in judge.problems]:
        return problems
    problems = differing("class", torch.tensor([o.label for o in outcomes]) != graphs.y, names)
    for said, judge in zip(_said(record), judges, strict=True):
        problems += check_predictions(said, judge.clean, names)
    return problems


def _said(record: Record) -> Sequence[StoredPredictions]:
    """What a record says of the clean victim, and of the one that was trained again."""
    outcomes = record.outcomes
    return (
        StoredPredictions("clean", [o.clean for o in outcomes], [o.clean_margin for o in outcomes]),
        StoredPredictions(
            "attacked", [o.attacked for o in outcomes], [o.attacked_margin for o in outcomes]
        ),
    )


def _trained_again(step: Step, edited: Artifact, retrained: Artifact) -> Recomputed:
    """Train the victim of a poisoning on its edited data set again, and compare the stored one.

    Where another machine's bits may be others, what differs proves nothing.
    """
    needed = step.inputs["retrained"]
    known = {step.inputs["edited"].key: edited}

    def differences() -> list[str]:
        try:
            made = computed(needed, known)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # other people's code may even try to end the process
            return [f"its victim cannot be trained again: {message_of(error)}"]
        return [
            problem.replace("computed again it", "its victim, trained again,")
            for problem in artifacts_differ(retrained, made)
        ]

    try:
        problems = apart(differences)
    except ProcessEnded as error:
        problems = [f"training its victim again ended the process: {error}"]
    return made_here(retrained, problems)


def computed(step: Step, known: dict[str, Artifact]) -> Artifact:
    """The artifact of a step, computed from those that are known, with all that it needs.

    Args:
        step: what is computed.
        known: artifacts by the keys of their steps; what is computed is added.
    """
    if step.key not in known:
        inputs = {role: computed(needed, known) for role, needed in step.inputs.items()}
        made = resolve(KINDS[step.kind].compute)(step, Inputs(inputs, {}), Context(_NOWHERE))
        # How long it took stands in no result that is compared.
        known[step.key] = Artifact(made.tensors, made.info, {"seconds": 0.0, **made.about})
    return known[step.key]
