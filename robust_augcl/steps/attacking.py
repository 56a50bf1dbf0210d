"""How attackers and attacks are computed, and what an attack that combines others is handed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from robust_augcl.adversary.attack_base import Attack, CombiningAttack, FitGraphs, Fitted
from robust_augcl.adversary.guard import AttackResult, fit_attack, run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.keys import graph_keys
from robust_augcl.graphs.labels import refuse_other_classes
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.plan.declared import declared, method_settings
from robust_augcl.plan.step import Step, plain
from robust_augcl.results.records import ArtifactRef, Cell, Outcome, Record, SharedEdits
from robust_augcl.seeds import generator
from robust_augcl.steps.artifacts import FITTED_ON, dataset_of, fitted_of, prefixed, victim_of
from robust_augcl.steps.context import Context, environment
from robust_augcl.steps.drift import steady
from robust_augcl.steps.exactness import proved_exact
from robust_augcl.steps.inputs import Inputs
from robust_augcl.steps.searching import searched
from robust_augcl.store.artifact import Artifact
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation, apply_all


def fit_graphs(settings: Mapping[str, Any], dataset: Dataset) -> FitGraphs:
    """The graphs that the protocol lets an attack learn on."""
    if settings["fit"] == "train":
        return FitGraphs(dataset.part(dataset.train), dataset.part(dataset.validation))
    test = dataset.part(dataset.attacked)
    return FitGraphs(test, test)


def compute_attacker(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Let an attack learn on a victim.

    Raises:
        InputError: a given model that answers otherwise after the learning than before it.
    """
    settings = step.settings
    dataset = dataset_of(inputs.artifacts["dataset"])
    fit = fit_graphs(settings, dataset)
    victim = victim_of(inputs.artifacts["victim"], context.device)
    with steady(victim, fit.train):
        fitted = fit_attack(
            settings["attack"],
            victim,
            settings["threat"],
            fit=fit,
            generator=generator("attacker", settings["label"], settings["seed"]),
            report=context.report,
        )
    info = {
        "curve": fitted.curve,
        "queries": fitted.queries,
        "gradient_calls": fitted.gradient_calls,
    }
    # What it was handed, not what it should have been: an audit looks for test graphs among these.
    return Artifact(
        {**prefixed("state", fitted.state), FITTED_ON: _keys(fit)},
        info,
        {"fit_seconds": fitted.seconds},
    )


def handed_to_learn(settings: Mapping[str, Any], dataset: Dataset) -> Tensor:
    """The keys of the graphs that an attacker's step hands it, each once and in order."""
    return _keys(fit_graphs(settings, dataset))


def _keys(fit: FitGraphs) -> Tensor:
    return torch.cat([graph_keys(part) for part in fit]).unique()


def what_they_found(records: Sequence[Record]) -> Fitted:
    """What several attacks found, for an attack that combines them.

    They are R attacks on one victim and the same G targets, with K edits in all. Their budgets may
    differ, if all are numbers of edits or all shares of edges: the guard refuses what is too much
    for the attack.

    Returns:
        The costs, summed, and the state: `clean_margin` (G,), `attacked_margin` (R, G), both
        rounded; whether the target is then `broken` (R, G); of each edit its `attack` (K,), from 0
        to R - 1, its target `graph` (K,), counted within the attacked ones, its nodes `pairs`
        (2, K), and whether it is `added` (K,) or removed.

    Raises:
        ValueError: no records, or records of different targets, victims or threats.
    """
    if len({_combines_with(record) for record in records}) != 1:
        raise ValueError(
            "Expected records of one victim, set of graphs and threat, budgets apart, to "
            "combine, got none or different ones"
        )
    state = {
        "clean_margin": torch.tensor([o.clean_margin for o in records[0].outcomes]),
        "attacked_margin": torch.tensor(
            [[o.attacked_margin for o in record.outcomes] for record in records]
        ),
        "broken": torch.tensor([[o.broken for o in record.outcomes] for record in records]),
        **_edits(records),
    }
    return Fitted(
        state,
        [],
        queries=sum(record.queries for record in records),
        gradient_calls=sum(record.gradient_calls for record in records),
        seconds=sum(record.fit_seconds for record in records),
    )


def _combines_with(record: Record) -> tuple[Any, ...]:
    """What is equal for records that can be combined."""
    is_share = isinstance(record.threat["budget"], float)
    threat = json.dumps({**record.threat, "budget": is_share})
    return record.victim, record.dataset, threat, tuple(o.target for o in record.outcomes)


def _edits(records: Sequence[Record]) -> dict[str, Tensor]:
    """All edits of the records, one after another, as `what_they_found` says."""
    edits = [
        (attack, graph, *pair, is_added)
        for attack, record in enumerate(records)
        for graph, outcome in enumerate(record.outcomes)
        for pairs, is_added in zip(record.edits_of(outcome), (True, False), strict=True)
        for pair in pairs
    ]
    attack, graph, first, second, added = torch.tensor(edits, dtype=torch.long).reshape(-1, 5).T
    return {
        "attack": attack,
        "graph": graph,
        "pairs": torch.stack([first, second]),
        "added": added.bool(),
    }


def compute_attack(step: Step, inputs: Inputs, context: Context) -> Record:
    """Attack the test targets; the records among the inputs are those that an attack combines."""
    settings, artifacts = step.settings, inputs.artifacts
    others = list(inputs.records.values())
    dataset = dataset_of(artifacts["dataset"])
    victim = victim_of(artifacts["victim"], context.device)
    test = dataset.part(dataset.attacked)
    with steady(victim, test):
        result = run_attack(
            settings["attack"],
            victim,
            test,
            settings["threat"],
            fit=fit_graphs(settings, dataset),
            generator=generator("attack", settings["label"], settings["seed"]),
            fitted=fitted_for(settings["attack"], artifacts, others),
            proposed=searched(step, artifacts),
            report=context.report,
        )
        edited = apply_all(test, result.perturbations)
        refuse_other_classes(edited, settings["label_rule"], dataset.attacked)
        exact = _exact(settings["attack"], victim, test, settings["threat"], result)
    made = record_of(step, artifacts, context, dataset, result, exact)
    others_seconds = sum(other.attack_seconds for other in others)
    return replace(made, attack_seconds=made.attack_seconds + others_seconds)


def record_of(
    step: Step,
    artifacts: Mapping[str, Artifact],
    context: Context,
    dataset: Dataset,
    result: AttackResult,
    exact: Tensor,
) -> Record:
    """The record of an attack step.

    Args:
        step: of an attack.
        artifacts: what it was computed from, by role.
        context: where it was computed.
        dataset: that of the step.
        result: of each attacked target (G), what was found.
        exact: for which of them it is proved to be the worst case (G,).
    """
    settings = step.settings
    return Record(
        key=step.key,
        cell=_cell(step),
        outcomes=_outcomes(dataset, result, exact, settings["threat"].shared),
        shared_edits=_shared(settings["threat"], result),
        **declared(step),
        method_settings=method_settings(settings),
        attack_settings=plain(settings["attack"]),
        threat=plain(settings["threat"]),
        num_classes=dataset.num_classes,
        label_rule=settings["label_rule"],
        dataset=ref_of("dataset", step, artifacts),
        victim=ref_of("victim", step, artifacts),
        attacker=ref_of("attacker", step, artifacts) if "attacker" in artifacts else None,
        pretrain_seconds=artifacts["victim"].about["pretrain_seconds"],
        train_seconds=artifacts["victim"].about["seconds"],
        fit_seconds=result.fit_seconds,
        attack_seconds=result.attack_seconds,
        queries=result.queries,
        gradient_calls=result.gradient_calls,
        environment=environment(context),
        notes=artifacts["victim"].info["notes"],
    )


def _shared(threat: ThreatModel, result: AttackResult) -> SharedEdits | None:
    """The edits that all targets share, where the threat says that they do."""
    if not threat.shared or not result.perturbations:
        return None
    edits = result.perturbations[0]
    return SharedEdits(edits.added.T.tolist(), edits.removed.T.tolist())


def fitted_for(
    attack: Attack, inputs: Mapping[str, Artifact], others: Sequence[Record]
) -> Fitted | None:
    """What the attack has learned, or what it is to combine; None for an attack that needs none."""
    if isinstance(attack, CombiningAttack):
        return what_they_found(others)
    return fitted_of(inputs["attacker"]) if "attacker" in inputs else None


def _exact(
    attack: Attack, victim: Victim, test: PackedGraphs, threat: ThreatModel, result: AttackResult
) -> Tensor:
    """For which targets (G,) the attack's claim to be exact is proved, if it makes one."""
    if not attack.exact:
        return torch.zeros(test.num_graphs, dtype=torch.bool)
    return proved_exact(victim, test, threat, result.clean_prediction, result.attacked_prediction)


def _outcomes(dataset: Dataset, result: AttackResult, exact: Tensor, shared: bool) -> list[Outcome]:
    """What the attack did to each test target, in the order of the data set.

    Where targets share their edits, outcomes have none.
    """
    names, labels = dataset.targets_at(dataset.attacked).names(), dataset.y[dataset.attacked]
    own = [Perturbation()] * len(names) if shared else result.perturbations
    return [
        Outcome(
            graph=names[i][0],
            label=int(labels[i]),
            clean=int(result.clean_prediction[i]),
            attacked=int(result.attacked_prediction[i]),
            clean_margin=round(float(result.clean_margin[i]), 6),
            attacked_margin=round(float(result.attacked_margin[i]), 6),
            added=own[i].added.T.tolist(),
            removed=own[i].removed.T.tolist(),
            node=names[i][1],
            exact=bool(exact[i]),
        )
        for i in range(len(names))
    ]


def _cell(step: Step) -> Cell:
    if step.cell is None:
        raise TypeError(f"Expected an attack step to have a cell, got none for {step.title}")
    return step.cell


def ref_of(role: str, step: Step, inputs: Mapping[str, Artifact]) -> ArtifactRef:
    """The artifact that a record rests on, by its role among the step's inputs."""
    return ArtifactRef(step.inputs[role].key, inputs[role].digest)
