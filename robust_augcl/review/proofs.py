"""What replay proves again of stored records: edits, classes, predictions, margins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import ThreatViolation
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.labels import unproved_labels
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.oracle.certificates import certify
from robust_augcl.plan.declared import declared, method_settings
from robust_augcl.plan.step import Step, plain
from robust_augcl.results.names import target_text
from robust_augcl.results.records import Record, Target
from robust_augcl.review.stored_run import StoredRun
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation, apply_all

OURS = "robust-augcl"
"""The distribution of our own plug-ins."""
TIE = 1e-4
"""Margins may differ by this much between machines.

A verdict whose margin is below it may not be the same there.
"""
_SHOWN = 5


@dataclass(frozen=True)
class Proof:
    """What was proved again of a result.

    Args:
        proved: what holds, in words.
        problems: what does not hold; empty where all does.
    """

    proved: str
    problems: list[str]


def prove_record(step: Step, run: StoredRun) -> Proof:
    """Prove the record of an attack step again, from stored graphs, edits and weights alone.

    Raises:
        ArtifactDamaged: the record, or a file that it rests on, cannot be read.
    """
    record = run.folder.load_record(step.key)
    if record.attacker is not None:
        run.load(record.attacker)
    dataset, victim = dataset_of(run.load(record.dataset)), victim_of(run.load(record.victim))
    problems = not_of_step(step, record)
    problems = problems or check_record(record, dataset, victim)
    problems = problems or check_exactness(record, dataset, victim)
    return Proof(f"{record.num_graphs} graphs", problems)


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
        about["made_by"] = _but_our_version(about["made_by"])
    wrong = [name for name, value in expected.items() if held[name] != value]
    inputs = {role: needed.key for role, needed in step.inputs.items()}
    for role in ("dataset", "victim", "attacker"):
        ref = getattr(record, role)
        if (ref and ref.key) != inputs.get(role):
            wrong.append(role)
    return [f"its {' and '.join(wrong)} are not those of its step"] if wrong else []


def _but_our_version(made_by: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Who made the plug-ins. Our own version is left out: their revisions tell what matters."""
    return {
        kind: {
            name: value
            for name, value in by.items()
            if name != "version" or by.get("distribution") != OURS
        }
        for kind, by in made_by.items()
    }


def check_exactness(record: Record, dataset: Dataset, victim: Victim) -> list[str]:
    """What does not hold of a record's word on which targets are exact.

    Where one edit is allowed the oracle tries all of them again. Where more are allowed it tries
    single edits and the bound, so what rests on a search of pairs is refuted, not proved.
    """
    targets = [outcome.target for outcome in record.outcomes]
    told = [outcome.exact for outcome in record.outcomes]
    if any(type(is_exact) is not bool for is_exact in told):
        return ["its word on which targets are exact is not true or false for each"]
    exact = torch.tensor(told)
    if not record.traits.claims_exact:
        return differing("claim to be exact", exact, targets)
    graphs, threat = dataset.part(dataset.test), threat_of(record)
    found = certify(victim, graphs, threat, limit=0)
    tie = _tie(victim.logits(graphs).cpu())
    broken_before = torch.tensor([not outcome.robust for outcome in record.outcomes])
    refuted = found.exhausted & ~found.certified & (found.lower_margin < -tie)
    unproved = ~found.certified & (found.lower_margin.abs() > tie)
    wrong = unproved if threat.budget == 1 and type(threat.budget) is int else refuted
    problems = differing("claim to be exact", exact & ~broken_before & wrong, targets)
    return problems + differing("word that it is not exact", ~exact & broken_before, targets)


def threat_of(record: Record) -> ThreatModel:
    """The threat model of a record."""
    threat = {name: value for name, value in record.threat.items() if name != "type"}
    return ThreatModel(**{**threat, "operations": tuple(threat["operations"])})


def check_record(
    record: Record, dataset: Dataset, victim: Victim, clean: Tensor | None = None
) -> list[str]:
    """What does not hold of a record.

    Checked are targets, classes, edits within the threat, label preservation, predictions, margins.

    Args:
        record: what is checked.
        dataset, victim: those that it rests on.
        clean: the victim's logits of the unedited test targets (G, C), if they are known already.
    """
    outcomes = record.outcomes
    targets = [o.target for o in outcomes]
    if targets != dataset.targets_at(dataset.test).names():
        return ["the attacked graphs are not the test graphs of the data set"]
    graphs = dataset.part(dataset.test)
    problems = differing("class", torch.tensor([o.label for o in outcomes]) != graphs.y, targets)
    perturbations = perturbations_of(record)
    try:
        threat_of(record).check_all(graphs, perturbations)
    except ThreatViolation as error:
        return [*problems, str(error)]
    attacked = apply_all(graphs, perturbations)
    kept = unproved_labels(attacked, record.label_rule)
    problems += differing("true class after the edits", kept, targets)
    before = _Stored("clean", [o.clean for o in outcomes], [o.clean_margin for o in outcomes])
    after = _Stored(
        "attacked", [o.attacked for o in outcomes], [o.attacked_margin for o in outcomes]
    )
    if clean is None:
        clean = victim.logits(graphs).cpu()
    problems += _check_predictions(before, clean, graphs.y, targets)
    problems += _check_predictions(after, victim.logits(attacked).cpu(), graphs.y, targets)
    return problems


@dataclass(frozen=True)
class _Stored:
    """What a record says of predictions, before the edits or after them."""

    when: str
    predicted: list[int]
    margins: list[float]


def _check_predictions(
    stored: _Stored, logits: Tensor, y: Tensor, targets: Sequence[Target]
) -> list[str]:
    """Which stored predictions and margins are not those of the logits (G, C)."""
    margin, tie = margins(logits, y), _tie(logits)
    other = logits.argmax(1) != torch.tensor(stored.predicted)
    # A margin that is no number is near nothing.
    far = ~((margin - torch.tensor(stored.margins)).abs() <= tie)
    return [
        *differing(f"{stored.when} prediction", other & (margin.abs() > tie), targets),
        *differing(f"{stored.when} margin", far, targets),
    ]


def margins_of(victim: Victim, graphs: PackedGraphs) -> tuple[Tensor, Tensor]:
    """Of each target the margin, and by how much it may differ between machines: (G,), (G,)."""
    logits = victim.logits(graphs).cpu()
    return margins(logits, graphs.y), _tie(logits)


def perturbations_of(record: Record) -> list[Perturbation]:
    """The stored edits of each target."""
    return [perturbation_of(o.added, o.removed) for o in record.outcomes]


def perturbation_of(added: list[list[int]], removed: list[list[int]]) -> Perturbation:
    """Stored edits, lists of pairs of nodes, as a perturbation."""
    return Perturbation(_pairs(added), _pairs(removed))


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


def _tie(logits: Tensor) -> Tensor:
    return TIE * logits.abs().amax(1).clamp(min=1)


def _pairs(edits: list[list[int]]) -> Tensor:
    return torch.tensor(edits, dtype=torch.long).reshape(-1, 2).T.contiguous()
