"""How attackers and attacks are computed, and what an attack that combines others is handed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from robust_augcl.adversary.attack_base import FitGraphs, Fitted, fit_attack, run_attack
from robust_augcl.graphs.dataset import Dataset, refuse_other_classes
from robust_augcl.graphs.keys import graph_keys
from robust_augcl.plan.planner import Step, plain
from robust_augcl.results.records import ArtifactRef, Outcome, Record
from robust_augcl.seeds import generator
from robust_augcl.steps.artifacts import FITTED_ON, dataset_of, fitted_of, prefixed, victim_of
from robust_augcl.steps.context import Context, environment
from robust_augcl.store.store import Artifact
from robust_augcl.threat.model import apply_all


def _fit_graphs(settings: Mapping[str, Any], dataset: Dataset) -> FitGraphs:
    """The graphs that the protocol lets an attack learn on."""
    if settings["fit"] == "train":
        return FitGraphs(dataset.part(dataset.train), dataset.part(dataset.validation))
    test = dataset.part(dataset.test)
    return FitGraphs(test, test)


def compute_attacker(
    settings: Mapping[str, Any], inputs: Mapping[str, Artifact], context: Context
) -> Artifact:
    """Let an attack learn on a victim."""
    dataset = dataset_of(inputs["dataset"])
    fit = _fit_graphs(settings, dataset)
    fitted = fit_attack(
        settings["attack"],
        victim_of(inputs["victim"], context.device),
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
    handed = torch.cat([graph_keys(part) for part in fit]).unique()
    return Artifact(
        {**prefixed("state", fitted.state), FITTED_ON: handed},
        info,
        {"fit_seconds": fitted.seconds},
    )


def what_they_found(records: Sequence[Record]) -> Fitted:
    """What R attacks on one victim found on the same G graphs, K edits in all, for an attack that
    combines them.

    Their budgets may differ, if all are numbers of edits or all shares of edges: the guard refuses
    what is too much for the attack.

    State: `clean_margin` (G,), `attacked_margin` (R, G), both rounded; whether the graph is then
    `broken` (R, G); of each edit its `attack` (K,), from 0 to R - 1, its `graph` (K,), counted
    within the attacked graphs, its nodes `pairs` (2, K), and whether it is `added` (K,) or removed.
    Costs are the sums.

    Raises:
        ValueError: no records, or records of different graphs, victims or threats.
    """

    def about(record: Record) -> tuple[Any, ...]:
        but_budget = json.dumps(
            {**record.threat, "budget": isinstance(record.threat["budget"], float)}
        )
        return (
            record.victim,
            record.dataset,
            but_budget,
            tuple(outcome.graph for outcome in record.outcomes),
        )

    if len({about(record) for record in records}) != 1:
        raise ValueError(
            "Expected records of one victim, set of graphs and threat, budgets apart, to "
            "combine, got none or different ones"
        )
    edits = [
        (attack, graph, *pair, is_added)
        for attack, record in enumerate(records)
        for graph, outcome in enumerate(record.outcomes)
        for pairs, is_added in ((outcome.added, True), (outcome.removed, False))
        for pair in pairs
    ]
    attack, graph, first, second, added = torch.tensor(edits, dtype=torch.long).reshape(-1, 5).T
    state = {
        "clean_margin": torch.tensor([o.clean_margin for o in records[0].outcomes]),
        "attacked_margin": torch.tensor(
            [[o.attacked_margin for o in record.outcomes] for record in records]
        ),
        "broken": torch.tensor([[o.broken for o in record.outcomes] for record in records]),
        "attack": attack,
        "graph": graph,
        "pairs": torch.stack([first, second]),
        "added": added.bool(),
    }
    queries, gradient_calls = (
        sum(r.queries for r in records),
        sum(r.gradient_calls for r in records),
    )
    return Fitted(state, [], queries, gradient_calls, sum(r.fit_seconds for r in records))


def compute_attack(
    step: Step, inputs: Mapping[str, Artifact], others: Sequence[Record], context: Context
) -> Record:
    """Attack the test graphs; `others` are the records that an attack combines."""
    settings = step.settings
    dataset = dataset_of(inputs["dataset"])
    victim_artifact = inputs["victim"]
    victim = victim_of(victim_artifact, context.device)
    test = dataset.part(dataset.test)
    attack, threat = settings["attack"], settings["threat"]
    assert step.cell is not None
    fitted = (
        what_they_found(others)
        if attack.combines
        else fitted_of(inputs["attacker"])
        if "attacker" in inputs
        else None
    )
    result = run_attack(
        attack,
        victim,
        test,
        threat,
        fit=_fit_graphs(settings, dataset),
        generator=generator("attack", settings["label"], settings["seed"]),
        fitted=fitted,
        report=context.report,
    )
    outcomes = [
        Outcome(
            graph=int(dataset.test[i]),
            label=int(test.y[i]),
            clean=int(result.clean_prediction[i]),
            attacked=int(result.attacked_prediction[i]),
            clean_margin=round(float(result.clean_margin[i]), 6),
            attacked_margin=round(float(result.attacked_margin[i]), 6),
            added=result.perturbations[i].added.T.tolist(),
            removed=result.perturbations[i].removed.T.tolist(),
        )
        for i in range(test.num_graphs)
    ]
    refuse_other_classes(
        apply_all(test, result.perturbations), settings["label_rule"], dataset.test
    )
    return Record(
        key=step.key,
        cell=step.cell,
        outcomes=outcomes,
        method_settings=plain(settings["method"]),
        attack_settings=plain(attack),
        threat=plain(threat),
        num_classes=dataset.num_classes,
        label_rule=settings["label_rule"],
        dataset=ArtifactRef(step.inputs["dataset"].key, inputs["dataset"].digest),
        victim=ArtifactRef(step.inputs["victim"].key, victim_artifact.digest),
        attacker=ArtifactRef(step.inputs["attacker"].key, inputs["attacker"].digest)
        if "attacker" in inputs
        else None,
        pretrain_seconds=victim_artifact.about["pretrain_seconds"],
        train_seconds=victim_artifact.about["seconds"],
        fit_seconds=result.fit_seconds,
        attack_seconds=result.attack_seconds + sum(other.attack_seconds for other in others),
        queries=result.queries,
        gradient_calls=result.gradient_calls,
        environment=environment(context),
        notes=victim_artifact.info["notes"],
    )
