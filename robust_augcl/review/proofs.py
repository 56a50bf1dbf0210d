"""What replay proves again of stored records: edits, classes, predictions, margins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from robust_augcl.errors import ThreatViolation
from robust_augcl.plan.declared import declared, method_settings
from robust_augcl.plan.step import Step, plain
from robust_augcl.results.names import target_text
from robust_augcl.results.records import Record, Target
from robust_augcl.review.again import Again
from robust_augcl.review.differences import made_by_without_our_version, same
from robust_augcl.review.edited import perturbation_of, stored_edits
from robust_augcl.review.judge import Answer, unrounded
from robust_augcl.review.subject import Subject
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

_SHOWN = 5


@dataclass(frozen=True)
class Proof:
    """What was proved again of a result.

    Args:
        proved: what holds, in words.
        problems: what does not hold; empty where all does.
        why_not: why what its kind could have proved besides is taken on trust; empty where it is
            not.
        unproved: what would be held against a file that is missing, in words; empty where nothing.
    """

    proved: str
    problems: list[str]
    why_not: str = ""
    unproved: str = ""


def not_of_step(step: Step, record: Record) -> list[str]:
    """What a record says of itself that is not so, by the step that it is the result of."""
    expected = {
        "cell": step.cell,
        "threat": plain(step.settings["threat"]),
        "attack_settings": plain(step.settings["attack"]),
        "method_settings": method_settings(step.settings),
        "label_rule": step.settings["label_rule"],
        **declared(step),
    }
    held = {name: getattr(record, name) for name in expected}
    for about in (held, expected):
        about["made_by"] = made_by_without_our_version(about["made_by"])
    wrong = [name for name, value in expected.items() if not same(plain(held[name]), plain(value))]
    inputs = {role: needed.key for role, needed in step.inputs.items()}
    for role in ("dataset", "victim", "attacker", "edited", "retrained"):
        ref = getattr(record, role)
        if (ref and ref.key) != inputs.get(role):
            wrong.append(role)
    return [f"its {' and '.join(wrong)} are not those of its step"] if wrong else []


def check_exactness(
    record: Record,
    subject: Subject,
    beside: Tensor | None = None,
    most_tried: int | None = None,
) -> tuple[str, list[str]]:
    """What is proved of a record's word on which targets are exact, and what does not hold of it.

    Every target that is said to be exact and stands is tried again (see `Again`). It is held
    against whatever any other result about the same victim has found. What rests on a search of
    pairs that is too long is taken on trust, and the words say so. Where the attack declares that
    it tries all that is allowed, every target that it leaves standing is held against the same.

    Args:
        record: what is checked; its edits and predictions hold.
        subject: what it is about.
        beside: where a certificate beside it says that the target withstands all that is allowed.
        most_tried: within how many pairs of edits of a target the attack declares to try all; None
            where it declares nothing.
    """
    names = subject.targets.names
    told = [outcome.exact for outcome in record.outcomes]
    if any(type(is_exact) is not bool for is_exact in told):
        return "", ["its word on which targets are exact is not true or false for each"]
    exact = torch.tensor(told)
    if not record.traits.claims_exact:
        return "", differing("claim to be exact", exact, names)
    threat, again = threat_of(record), subject.again(threat_of(record))
    standing = torch.tensor([outcome.robust for outcome in record.outcomes])
    again.ask(exact & standing)
    again.ask(standing, claimed=False)
    claimed = exact & standing
    thorough = standing & (most_tried is not None)
    covered = thorough & _within_limit(most_tried or 0, again)
    held = claimed | covered
    refuted = again.refuted(held) | subject.broken_by_others(held, threat)
    unfounded = claimed & (refuted | ~(again.proved | again.on_trust))
    problems = differing("claim to be exact", unfounded, names)
    by_one = again.after_one.beyond_rounding(thorough & again.after_one.wrong)
    missed = ~exact & (by_one | covered & refuted)
    problems += differing("word that a search of all that is allowed broke nothing", missed, names)
    hidden = ~exact & (~standing | again.surely | again.surely_searched)
    problems += differing("word that it is not exact", hidden, names)
    beside = torch.zeros_like(claimed) if beside is None else beside
    left = standing & ~exact
    known = again.refuted(left) | subject.broken_by_others(left, threat)
    words = _exactness_in_words(claimed & again.on_trust & ~again.proved, beside)
    return words + _left_in_words(left, known), problems


def most_tried(step: Step) -> int | None:
    """Within how many pairs of edits of a target an attack declares to try all; None: it does not.

    Other attacks may miss a target and honestly leave it without a claim.
    """
    attack = step.settings["attack"]
    most = getattr(attack, attack.most_tried, None) if attack.most_tried else None
    return most if isinstance(most, int) else None


def _within_limit(most: int, again: Again) -> Tensor:
    """Where an attack that tries `most` pairs of edits tries all that is allowed (G,)."""
    return (again.size <= 1) | (again.size == 2) & (again.pairs <= most)


def _exactness_in_words(on_trust: Tensor, beside: Tensor) -> str:
    """How many claims to be exact rest on a search that is not made again."""
    counted = (
        (on_trust & beside, "exact by the certificate beside it"),
        (on_trust & ~beside, "exact on trust: not all their pairs of edits are searched again"),
    )
    return "".join(f", {int(which.sum())} {what}" for which, what in counted if which.any())


def _left_in_words(left: Tensor, known: Tensor) -> str:
    """How many targets an attack leaves standing without its claim to be exact.

    An attack may miss edits that are known. So may a record that was emptied, and its claims with
    it: only proposing again tells the two apart.

    Args:
        left: where it does (G,).
        known: where known edits break what it leaves (G,).
    """
    if not left.any():
        return ""
    text = f", {int(left.sum())} left standing without its claim to be exact"
    return text + (f" ({int(known.sum())} of them broken by known edits)" if known.any() else "")


def threat_of(record: Record) -> ThreatModel:
    """The threat model of a record."""
    threat = {name: value for name, value in record.threat.items() if name != "type"}
    return ThreatModel(**{**threat, "operations": tuple(threat["operations"])})


def check_record(record: Record, subject: Subject) -> list[str]:
    """What does not hold of a record.

    Checked are targets, classes, edits within the threat, label preservation, predictions, margins.

    Args:
        record: what is checked.
        subject: the data set and the victim that it rests on.
    """
    outcomes, targets = record.outcomes, subject.targets
    names, graphs = targets.names, targets.graphs
    if [o.target for o in outcomes] != names:
        return ["the attacked graphs are not the test graphs of the data set"]
    if targets.judge.problems:
        return targets.judge.problems
    problems = differing("class", torch.tensor([o.label for o in outcomes]) != graphs.y, names)
    try:
        threat_of(record).check_all(graphs, perturbations_of(record))
    except ThreatViolation as error:
        return [*problems, str(error)]
    after, lost = targets.after(stored_edits(record))
    problems += differing("true class after the edits", lost, names)
    said_before = StoredPredictions(
        "clean", [o.clean for o in outcomes], [o.clean_margin for o in outcomes]
    )
    said_after = StoredPredictions(
        "attacked", [o.attacked for o in outcomes], [o.attacked_margin for o in outcomes]
    )
    problems += check_predictions(said_before, targets.judge.clean, names)
    return [*problems, *check_predictions(said_after, after, names), *subject.drift]


@dataclass(frozen=True)
class StoredPredictions:
    """What a record says of predictions, before the edits or after them."""

    when: str
    predicted: list[int]
    margins: list[float]


def check_predictions(
    stored: StoredPredictions, found: Answer, names: Sequence[Target]
) -> list[str]:
    """Which stored predictions and margins are not those that the victim says now."""
    other = found.beyond_rounding(found.predicted != torch.tensor(stored.predicted))
    far = found.far_from(torch.tensor(stored.margins, dtype=torch.double))
    far = far | unrounded(stored.margins)
    return [
        *differing(f"{stored.when} prediction", other, names),
        *differing(f"{stored.when} margin", far, names),
    ]


def perturbations_of(record: Record) -> list[Perturbation]:
    """The stored edits of each target; of shared ones the same object for all."""
    if (shared := record.shared_edits) is not None:
        return [perturbation_of(shared.added, shared.removed)] * len(record.outcomes)
    return [perturbation_of(o.added, o.removed) for o in record.outcomes]


def differing(what: str, wrong: Tensor, targets: Sequence[Target]) -> list[str]:
    """One problem in words where `wrong` (G,) holds for any of the targets (G), else none.

    Example:
        >>> differing("class", torch.tensor([True, False, True]), [(3, None), (4, None), (9, None)])
        ['the class does not hold for graphs 3, 9']
    """
    where = [target for target, is_wrong in zip(targets, wrong.tolist(), strict=True) if is_wrong]
    if not where:
        return []
    more = ", ..." if len(where) > _SHOWN else ""
    if any(node is not None for _, node in where):
        return [f"the {what} does not hold for {', '.join(map(target_text, where[:_SHOWN]))}{more}"]
    numbers = ", ".join(str(graph) for graph, _ in where[:_SHOWN])
    noun = "graphs" if len(where) > 1 else "graph"
    return [f"the {what} does not hold for {noun} {numbers}{more}"]
