"""How poisoning is computed: an attack edits the graph, and the victim is trained again on it.

The steps between the two, the training on the edited data set, are those of any victim, with the
settings and seeds of the clean one. So without edits the victim that was trained again is the clean
one, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import torch
from torch import Tensor

from robust_augcl.adversary.global_state import clean
from robust_augcl.adversary.guard import AttackResult, run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import InputError
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.labels import refuse_other_classes
from robust_augcl.models.margins import margins
from robust_augcl.plan.step import Step
from robust_augcl.results.outcome import SharedEdits
from robust_augcl.results.records import Record
from robust_augcl.seeds import generator
from robust_augcl.steps.artifacts import dataset_artifact, dataset_of, victim_of
from robust_augcl.steps.attacking import fit_graphs, fitted_for, record_of, ref_of
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.artifact import Artifact
from robust_augcl.threat.perturbations import Perturbation, apply_all


def compute_edited_data(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Let an attack edit the graph of a data set before the clean victim, under guard.

    Features, targets, classes and parts are those of the clean data set.

    Raises:
        InputError: the attack made no edits to share, since there is nothing to attack.
    """
    settings, artifacts = step.settings, inputs.artifacts
    dataset = dataset_of(artifacts["dataset"])
    result = run_attack(
        settings["attack"],
        victim_of(artifacts["victim"], context.device),
        dataset.part(dataset.attacked),
        settings["threat"].before_fixed_model,
        fit=fit_graphs(settings, dataset),
        generator=generator("attack", settings["label"], settings["seed"]),
        fitted=fitted_for(settings["attack"], artifacts, list(inputs.records.values())),
        report=context.report,
    )
    if not result.perturbations:
        raise InputError("Expected test nodes to attack, got none")
    perturbation = result.perturbations[0]  # the guard has compared it with the others
    edited = edited_data(dataset, perturbation)
    refuse_other_classes(edited.part(edited.attacked), settings["label_rule"], edited.attacked)
    edits = SharedEdits(perturbation.added.T.tolist(), perturbation.removed.T.tolist())
    clean_info = artifacts["dataset"].info
    info = {
        "label": clean_info["label"],
        "label_rule": clean_info["label_rule"],
        "edits": asdict(edits),
        "clean": artifacts["dataset"].digest,
        "victim": artifacts["victim"].digest,
        "queries": result.queries,
        "gradient_calls": result.gradient_calls,
    }
    about = {"fit_seconds": result.fit_seconds, "attack_seconds": result.attack_seconds}
    return replace(dataset_artifact(edited, info), about=about)


def edited_data(dataset: Dataset, perturbation: Perturbation) -> Dataset:
    """The data set after the edits of its one graph; targets, classes and parts stay.

    Example:
        >>> from robust_augcl.graphs.packed import PackedGraphs
        >>> from robust_augcl.graphs.targets import Targets
        >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> graph = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
        >>> zeros = torch.zeros(3, dtype=torch.long)
        >>> nodes = Targets(zeros, torch.arange(3), torch.tensor([0, 1, 0]))
        >>> data = Dataset(graph, *torch.arange(3).split(1), num_classes=2, targets=nodes)
        >>> edge = torch.tensor([[0], [2]])
        >>> int(edited_data(data, Perturbation(added=edge)).graphs.num_undirected_edges)
        3
    """
    return replace(dataset, graphs=apply_all(dataset.graphs, [perturbation]))


def compute_poisoning(step: Step, inputs: Inputs, context: Context) -> Record:
    """Judge the targets: by the clean victim on the clean graph, by the other on the edited one.

    The other one was trained again on the edited graph.
    """
    artifacts = inputs.artifacts
    dataset, edited = (dataset_of(artifacts[role]) for role in ("dataset", "edited"))
    before, clean_margin = judged(victim_of(artifacts["victim"], context.device), dataset)
    after, attacked_margin = judged(victim_of(artifacts["retrained"], context.device), edited)
    said = artifacts["edited"]
    edits = Perturbation(*(_pairs(said.info["edits"][name]) for name in ("added", "removed")))
    result = AttackResult(
        perturbations=[edits] * before.numel(),
        clean_prediction=before,
        attacked_prediction=after,
        clean_margin=clean_margin,
        attacked_margin=attacked_margin,
        queries=said.info["queries"],
        gradient_calls=said.info["gradient_calls"],
        fit_seconds=said.about["fit_seconds"],
        attack_seconds=said.about["attack_seconds"],
    )
    unproved = torch.zeros_like(before, dtype=torch.bool)  # no worst case is known
    made = record_of(step, artifacts, context, dataset, result, unproved)
    return replace(
        made,
        edited=ref_of("edited", step, artifacts),
        retrained=ref_of("retrained", step, artifacts),
        notes=notes_of(artifacts["victim"], artifacts["retrained"]),
    )


def judged(victim: Victim, dataset: Dataset) -> tuple[Tensor, Tensor]:
    """What a victim says of the attacked targets of a data set: classes (G,) and margins (G,)."""
    targets = dataset.part(dataset.attacked)
    with clean(victim.model):
        logits = victim.logits(targets)
    return logits.argmax(1).cpu(), margins(logits, targets.y.to(victim.device)).cpu()


def notes_of(victim: Artifact, retrained: Artifact) -> list[str]:
    """What the trainings of both victims noted, each note once."""
    return list(dict.fromkeys([*victim.info["notes"], *retrained.info["notes"]]))


def _pairs(edits: Sequence[Sequence[int]]) -> Tensor:
    return torch.tensor(edits, dtype=torch.long).reshape(-1, 2).T.contiguous()
