"""Replay: prove every stored record again, from the stored graphs, edits and weights alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from robust_augcl.dataset import Dataset, unproved_labels
from robust_augcl.errors import ArtifactDamaged, ThreatViolation
from robust_augcl.records import ArtifactRef, Record
from robust_augcl.run_folder import RunFolder
from robust_augcl.steps import dataset_of, victim_of
from robust_augcl.store import Artifact
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


def replay(folder: RunFolder, keys: list[str], report: Callable[[Verdict], None]) -> list[Verdict]:
    """Replay the records of a folder, one verdict each, reported as they are reached."""

    @lru_cache(maxsize=8)
    def load(ref: ArtifactRef) -> Artifact:
        artifact = folder.store.load(ref.key)
        if artifact.digest != ref.digest:
            raise ArtifactDamaged(f"{ref.key}.safetensors: not the artifact that the record rests on: its digest is another")
        return artifact

    verdicts = []
    for key in keys:
        name = f"{key}.jsonl"
        try:
            record = folder.load_record(key)
            name = f"{key}.jsonl ({record.cell.attack} on {record.cell.method}, {record.cell.layers} layers, seed {record.cell.seed})"
            dataset, victim = dataset_of(load(record.dataset)), victim_of(load(record.victim))
            verdict = Verdict(name, record.num_graphs, check_record(record, dataset, victim))
        except ArtifactDamaged as error:
            verdict = Verdict(name, 0, [str(error)])
        report(verdict)
        verdicts.append(verdict)
    return verdicts


def check_record(record: Record, dataset: Dataset, victim: Victim) -> list[str]:
    """What does not hold of a record: graphs, classes, edits within the threat, label preservation, predictions, margins."""
    outcomes = record.outcomes
    numbers = torch.tensor([o.graph for o in outcomes])
    if not torch.equal(numbers, dataset.test):
        return ["the attacked graphs are not the test graphs of the data set"]
    graphs = dataset.part(numbers)
    problems = _differing("class", torch.tensor([o.label for o in outcomes]) != graphs.y, numbers)
    perturbations = [Perturbation(_pairs(o.added), _pairs(o.removed)) for o in outcomes]
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
        logits = victim.logits(packed).cpu()
        margin = margins(logits, graphs.y)
        scale = logits.abs().max(1).values.clamp(min=1)
        wrong = (logits.argmax(1) != torch.tensor(predicted)) & (margin.abs() > TIE * scale)
        problems += _differing(f"{when} prediction", wrong, numbers)
        problems += _differing(f"{when} margin", (margin - torch.tensor(stored)).abs() > TIE * scale, numbers)
    return problems


def _pairs(edits: list[list[int]]) -> Tensor:
    return torch.tensor(edits, dtype=torch.long).reshape(-1, 2).T.contiguous()


def _differing(what: str, wrong: Tensor, numbers: Tensor) -> list[str]:
    where = numbers[wrong].tolist()
    if not where:
        return []
    shown = ", ".join(map(str, where[:5])) + (", ..." if len(where) > 5 else "")
    return [f"the {what} does not hold for graph{'s' if len(where) > 1 else ''} {shown}"]
