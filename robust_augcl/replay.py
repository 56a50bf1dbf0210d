"""Replay: prove every stored record again, from the stored graphs, edits and weights alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from robust_augcl.cells import Step, plain, plan
from robust_augcl.dataset import Dataset, unproved_labels
from robust_augcl.errors import ArtifactDamaged, ThreatViolation
from robust_augcl.records import Record
from robust_augcl.run_folder import MANIFEST, Manifest, RunFolder
from robust_augcl.steps import dataset_of, victim_of
from robust_augcl.suite import make_suite
from robust_augcl.threat import Perturbation, ThreatModel, apply_all
from robust_augcl.victim import Victim, margins

TIE = 1e-4
"""Margins may differ by this much between machines; a verdict whose margin is below it may not be the same there."""


@dataclass(frozen=True)
class Verdict:
    """What replaying one record found.

    Args:
        name: the record's file.
        num_graphs: graphs whose edits and verdicts were proved.
        problems: what does not hold; empty where all does.
    """

    name: str
    num_graphs: int
    problems: list[str]


def replay(folder: RunFolder, manifest: Manifest, report: Callable[[Verdict], None]) -> list[Verdict]:
    """Replay the records of a folder, one verdict each, reported as they are reached.

    What each record must be about, and which there must be, is worked out again from the suite.

    Raises:
        InputError: the folder's manifest holds no valid suite.
    """

    load = lru_cache(maxsize=8)(folder.load_artifact)
    suite = make_suite({**manifest.table, "seeds": manifest.seeds}, str(folder.path / MANIFEST))
    steps = {step.key: step for step in plan(suite, manifest.fingerprint).attacks}
    verdicts = []
    if set(manifest.records) != set(steps):
        verdicts.append(Verdict(MANIFEST, 0, ["its list of records is not that of its suite and seeds"]))
        report(verdicts[0])
    for key, step in steps.items():
        name = f"{key}.jsonl ({step.title})"
        try:
            record = folder.load_record(key)
            if record.attacker is not None:
                load(record.attacker)
            dataset, victim = dataset_of(load(record.dataset)), victim_of(load(record.victim))
            problems = _not_of(step, record) or check_record(record, dataset, victim)
            verdict = Verdict(name, record.num_graphs, problems)
        except ArtifactDamaged as error:
            verdict = Verdict(name, 0, [str(error)])
        report(verdict)
        verdicts.append(verdict)
    return verdicts


def _not_of(step: Step, record: Record) -> list[str]:
    """What a record says of itself that is not so, by the step that it is the result of."""
    inputs = {role: needed.key for role, needed in step.inputs.items()}
    expected = {
        "cell": step.cell,
        "threat": plain(step.settings["threat"]),
        "attack_settings": plain(step.settings["attack"]),
        "method_settings": plain(step.settings["method"]),
        "label_rule": step.settings["label_rule"],
    }
    wrong = [name for name, value in expected.items() if getattr(record, name) != value]
    for role in ("dataset", "victim", "attacker"):
        ref = getattr(record, role)
        if (ref and ref.key) != inputs.get(role):
            wrong.append(role)
    return [f"its {' and '.join(wrong)} are not those of its step"] if wrong else []


def check_record(record: Record, dataset: Dataset, victim: Victim, clean: Tensor | None = None) -> list[str]:
    """What does not hold of a record: graphs, classes, edits within the threat, label preservation, predictions, margins.

    `clean` are the victim's logits of the unedited test graphs, if they are known already.
    """
    outcomes = record.outcomes
    numbers = torch.tensor([o.graph for o in outcomes])
    if not torch.equal(numbers, dataset.test):
        return ["the attacked graphs are not the test graphs of the data set"]
    graphs = dataset.part(numbers)
    problems = _differing("class", torch.tensor([o.label for o in outcomes]) != graphs.y, numbers)
    perturbations = perturbations_of(record)
    threat = {name: value for name, value in record.threat.items() if name != "type"}
    try:
        ThreatModel(**{**threat, "operations": tuple(threat["operations"])}).check_all(graphs, perturbations)
    except ThreatViolation as error:
        return [*problems, str(error)]
    attacked = apply_all(graphs, perturbations)
    problems += _differing("true class after the edits", unproved_labels(attacked, record.label_rule), numbers)
    for when, packed, predicted, stored in (
        ("clean", graphs, [o.clean for o in outcomes], [o.clean_margin for o in outcomes]),
        ("attacked", attacked, [o.attacked for o in outcomes], [o.attacked_margin for o in outcomes]),
    ):
        logits = clean if when == "clean" and clean is not None else victim.logits(packed).cpu()
        margin = margins(logits, graphs.y)
        scale = logits.abs().max(1).values.clamp(min=1)
        wrong = (logits.argmax(1) != torch.tensor(predicted)) & (margin.abs() > TIE * scale)
        problems += _differing(f"{when} prediction", wrong, numbers)
        problems += _differing(f"{when} margin", (margin - torch.tensor(stored)).abs() > TIE * scale, numbers)
    return problems


def perturbations_of(record: Record) -> list[Perturbation]:
    """The stored edits of each graph."""
    return [Perturbation(_pairs(o.added), _pairs(o.removed)) for o in record.outcomes]


def _pairs(edits: list[list[int]]) -> Tensor:
    return torch.tensor(edits, dtype=torch.long).reshape(-1, 2).T.contiguous()


def _differing(what: str, wrong: Tensor, numbers: Tensor) -> list[str]:
    where = numbers[wrong].tolist()
    if not where:
        return []
    shown = ", ".join(map(str, where[:5])) + (", ..." if len(where) > 5 else "")
    return [f"the {what} does not hold for graph{'s' if len(where) > 1 else ''} {shown}"]
