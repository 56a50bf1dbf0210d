"""How each step is computed, from its settings and the results of its inputs.

Every generator is seeded by what it is for. The seeds of initial weights, batches and views do not hold the method, and those of an
attack do not hold the victim: methods are compared on the same draws.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robust_augcl import registry
from robust_augcl.attack import FitGraphs, Fitted, fit_attack, run_attack
from robust_augcl.cells import Step, plain
from robust_augcl.certificate import certify
from robust_augcl.contrast.diagnostics import diagnose
from robust_augcl.contrast.objective import Objective
from robust_augcl.contrast.pretrain import Batches, ContrastiveModel, Pretraining, adam, contrastive_training, embedded, fit_objective
from robust_augcl.dataset import Dataset, load_dataset, unproved_labels
from robust_augcl.encoder import Encoder
from robust_augcl.errors import GuardViolation, TrainingDiverged
from robust_augcl.graph_keys import graph_keys
from robust_augcl.graphs import PackedGraphs
from robust_augcl.model import GraphClassifier
from robust_augcl.progress import Report, silent
from robust_augcl.records import ArtifactRef, Outcome, Record
from robust_augcl.representation import svm_scores
from robust_augcl.resources import peak_memory_mib
from robust_augcl.run_folder import load_record
from robust_augcl.seeds import generator
from robust_augcl.store import Artifact, Store, write_atomically
from robust_augcl.threat import Perturbation, apply_all
from robust_augcl.training import train_classifier
from robust_augcl.victim import Victim

FITTED_ON = "fitted_on"
"""The tensor of an attacker that holds the keys (`graph_keys`) of the graphs that it learned on and was chosen by."""
DISTRIBUTIONS = ("robust-augcl", "torch", "torch-geometric", "numpy", "scipy", "scikit-learn")


@dataclass(frozen=True)
class Context:
    """Where a step runs.

    Args:
        store: holds the results.
        device: of models and graphs, "cpu" or "cuda".
        archives: a folder of data set archives, or None.
        report: told how far the step is.
        commit: of the source tree that runs, if known.
    """

    store: Store
    device: str = "cpu"
    archives: Path | None = None
    report: Report = silent
    commit: str | None = None


def compute(step: Step, context: Context) -> None:
    """Compute a step, whose inputs are in the store, and store its result."""
    inputs = {role: context.store.load(needed.key) for role, needed in step.inputs.items() if needed.kind != "attack"}
    if step.kind == "attack":
        others = [load_record(context.store, needed.key) for needed in step.inputs.values() if needed.kind == "attack"]
        record = _attack(step, inputs, others, context)
        write_atomically(context.store.record_path(step.key), record.dumps().encode())
        return
    start = time.perf_counter()
    artifact = _COMPUTE[step.kind](step.settings, inputs, context)
    about = {"seconds": time.perf_counter() - start, "environment": environment(context), "title": step.title, **artifact.about}
    context.store.save(step.key, replace(artifact, about=about))


def environment(context: Context) -> dict[str, Any]:
    """Versions, commit, machine, device, threads, and the most memory that this process has held."""
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in DISTRIBUTIONS}},
        "commit": context.commit,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "device": torch.cuda.get_device_name() if context.device == "cuda" else context.device,
        "threads": torch.get_num_threads(),
        "peak_memory_mib": round(peak_memory_mib()),
    }


# --- data set ---------------------------------------------------------------------------------------------------------


def _dataset(settings: Mapping[str, Any], inputs: Mapping[str, Artifact], context: Context) -> Artifact:
    source, seed = settings["source"], settings["seed"]
    dataset = load_dataset(source, settings["split"], context.archives, generator("dataset", plain(source), seed))
    return dataset_artifact(dataset, {"label": source.label, "label_rule": source.label_rule})


def dataset_artifact(dataset: Dataset, info: dict[str, Any]) -> Artifact:
    """A data set as an artifact."""
    graphs = dataset.graphs
    tensors = {"x": graphs.x, "edge_index": graphs.edge_index.int(), "ptr": graphs.ptr, "y": graphs.y}
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return Artifact({**tensors, **parts}, {**info, "num_classes": dataset.num_classes})


def dataset_of(artifact: Artifact) -> Dataset:
    """The data set that an artifact holds."""
    of = artifact.tensors
    graphs = PackedGraphs(of["x"], of["edge_index"].long(), of["ptr"], of["y"])
    return Dataset(graphs, of["train"], of["validation"], of["test"], artifact.info["num_classes"])


# --- pretraining ------------------------------------------------------------------------------------------------------


def _new_encoder(settings: Mapping[str, Any], in_features: int) -> Encoder:
    identity = [settings[name] for name in ("encoder", "width", "layers", "seed")]
    cls = registry.load("encoder", settings["encoder"])
    encoder: Encoder = cls(
        in_features=in_features, width=settings["width"], layers=settings["layers"], generator=generator("encoder", *identity)
    )
    return encoder


def _new_contrastive(settings: Mapping[str, Any], dataset: Dataset) -> ContrastiveModel:
    encoder = _new_encoder(settings, dataset.graphs.x.size(1))
    return ContrastiveModel(encoder, settings["pretraining"], generator("projection", settings["seed"]))


def _pretraining_graphs(settings: Mapping[str, Any], dataset: Dataset) -> PackedGraphs:
    """The graphs that pretraining sees: those for training, or, under the unsupervised protocol, all."""
    return dataset.graphs if settings["graphs"] == "all" else dataset.part(dataset.train)


def _batches(stage: str, settings: Mapping[str, Any], dataset: Dataset, device: str) -> Batches:
    graphs = _pretraining_graphs(settings, dataset).to(device)
    order = generator("order", settings["seed"])  # of all stages, where it is drawn once
    return Batches(graphs, settings["pretraining"], generator("batches", stage, settings["seed"]), order)


def _warm_up(settings: Mapping[str, Any], inputs: Mapping[str, Artifact], context: Context) -> Artifact:
    dataset = dataset_of(inputs["dataset"])
    pretraining: Pretraining = settings["pretraining"]
    model = _new_contrastive(settings, dataset).to(context.device)
    optimizer = adam(model, pretraining.learning_rate)
    batches = _batches("warm-up", settings, dataset, context.device)
    losses = contrastive_training(model, optimizer, batches, pretraining, pretraining.warm_up_epochs, report=context.report)
    return Artifact({**_prefixed("model", model.state_dict()), **_adam_tensors(model, optimizer)}, {"losses": losses})


def _pretraining(settings: Mapping[str, Any], inputs: Mapping[str, Artifact], context: Context) -> Artifact:
    start = time.perf_counter()
    dataset = dataset_of(inputs["dataset"])
    pretraining: Pretraining = settings["pretraining"]
    seed, device, epochs = settings["seed"], context.device, settings["continued_epochs"]
    model = _new_contrastive(settings, dataset).to(device)
    model.load_state_dict(_unprefixed("model", inputs["warm_up"].tensors))
    optimizer = adam(model, pretraining.learning_rate)
    _load_adam(model, optimizer, inputs["warm_up"].tensors)
    objective: Objective = settings["method"].objective(model.encoder.embedding_size, pretraining.loss, generator("weighter", seed), device)
    report = context.report
    if objective.learns:
        batches = _batches("weighter", settings, dataset, device)
        fit_objective(objective, model, batches, generator("weighter fit", seed), lambda done, text: context.report(done / 2, text))
        report = lambda done, text: context.report((1 + done) / 2, text)  # noqa: E731
    batches = _batches("continued", settings, dataset, device)
    losses = contrastive_training(model, optimizer, batches, pretraining, epochs, objective, report)
    about = {"seconds": time.perf_counter() - start, "warm_up_seconds": inputs["warm_up"].about["seconds"]}
    info = {"losses": losses, "notes": objective.notes, **objective.info}
    # Labels are looked at here, after training, and only to say how the weights relate to true and false negatives.
    labels = _pretraining_graphs(settings, dataset).y.to(device)
    info["diagnosis"] = diagnose(embedded(model, _batches("diagnosis", settings, dataset, device)), objective, labels)
    return Artifact(_prefixed("encoder", model.encoder.state_dict()), info, about)


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _unprefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix + "."): tensor for name, tensor in tensors.items() if name.startswith(prefix + ".")}


def _adam_tensors(model: nn.Module, optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    """Adam's state by the names of the parameters; empty before its first step."""
    named = {id(parameter): name for name, parameter in model.named_parameters()}
    state = {named[id(parameter)]: values for parameter, values in optimizer.state.items()}
    return {f"adam.{name}|{what}": value for name, values in state.items() for what, value in values.items()}


def _load_adam(model: nn.Module, optimizer: torch.optim.Adam, tensors: Mapping[str, Tensor]) -> None:
    state = _unprefixed("adam", tensors)
    for name, parameter in model.named_parameters():
        own = {
            what: state[f"{name}|{what}"].to(parameter.device) for what in ("step", "exp_avg", "exp_avg_sq") if f"{name}|{what}" in state
        }
        if own:
            optimizer.state[parameter] = own


# --- representation ---------------------------------------------------------------------------------------------------


def _representation(settings: Mapping[str, Any], inputs: Mapping[str, Artifact], context: Context) -> Artifact:
    dataset = dataset_of(inputs["dataset"])
    encoder = _new_encoder(settings, dataset.graphs.x.size(1))
    about = {"pretrain_seconds": 0.0}
    if "pretraining" in inputs:
        about["pretrain_seconds"] = _load_pretrained(encoder, inputs["pretraining"])
    encoder.to(context.device).eval()
    with torch.no_grad():
        parts = [
            encoder.embed(dataset.part(index).to(context.device)).cpu() for index in torch.arange(dataset.graphs.num_graphs).split(500)
        ]
    scores = svm_scores(
        torch.cat(parts), dataset.graphs.y, settings["representations"], generator("representation", settings["seed"]), context.report
    )
    return Artifact({}, {"accuracy": [score.accuracy for score in scores], "c": [score.c for score in scores]}, about)


# --- victim -----------------------------------------------------------------------------------------------------------


def _victim(settings: Mapping[str, Any], inputs: Mapping[str, Artifact], context: Context) -> Artifact:
    dataset = dataset_of(inputs["dataset"])
    training, seed = settings["training"], settings["seed"]
    encoder = _new_encoder(settings, dataset.graphs.x.size(1))
    about, notes = {"pretrain_seconds": 0.0}, []
    if "pretraining" in inputs:
        about["pretrain_seconds"] = _load_pretrained(encoder, inputs["pretraining"])
        notes = inputs["pretraining"].info["notes"]
    hidden = training.head_hidden
    model = GraphClassifier(encoder, num_classes=dataset.num_classes, hidden=hidden, generator=generator("head", seed))
    model.to(context.device)
    selection = dataset.part(dataset.validation if settings["selection"] == "validation" else dataset.test)
    train = dataset.part(dataset.train).to(context.device)
    chosen = train_classifier(model, train, selection.to(context.device), training, generator("training", seed), context.report)
    if chosen.epoch == 0:
        raise TrainingDiverged(f"no finite validation loss in {training.epochs} epochs: a lower `learning_rate` may help")
    info = {
        "encoder": settings["encoder"],
        "width": settings["width"],
        "layers": settings["layers"],
        "in_features": dataset.graphs.x.size(1),
        "num_classes": dataset.num_classes,
        "head_hidden": hidden,
        "selected": asdict(chosen),
        "notes": notes,
    }
    return Artifact(_prefixed("model", model.state_dict()), info, about)


def _load_pretrained(encoder: Encoder, pretrained: Artifact) -> float:
    """Give an encoder its pretrained weights; return the seconds that they took, a shared warm-up included."""
    encoder.load_state_dict(_unprefixed("encoder", pretrained.tensors))
    return float(pretrained.about["warm_up_seconds"] + pretrained.about["seconds"])


def victim_of(artifact: Artifact, device: str = "cpu") -> Victim:
    """The victim that an artifact holds."""
    info = artifact.info
    unused = torch.Generator()
    encoder: Encoder = registry.load("encoder", info["encoder"])(
        in_features=info["in_features"], width=info["width"], layers=info["layers"], generator=unused
    )
    model = GraphClassifier(encoder, num_classes=info["num_classes"], hidden=info["head_hidden"], generator=unused)
    model.load_state_dict(_unprefixed("model", artifact.tensors))
    return Victim(model.to(device))


# --- certificate ------------------------------------------------------------------------------------------------------


def _certificate(settings: Mapping[str, Any], inputs: Mapping[str, Artifact], context: Context) -> Artifact:
    dataset = dataset_of(inputs["dataset"])
    test = dataset.part(dataset.test)
    victim = victim_of(inputs["victim"], context.device)
    found = certify(victim, test, settings["threat"], limit=settings["pairs"], report=context.report)
    edits = [witness or Perturbation() for witness in found.witnesses]
    _refuse_other_classes(apply_all(test, edits), inputs["dataset"].info["label_rule"], dataset.test)
    info = {
        "graphs": dataset.test.tolist(),
        "certified": found.certified.tolist(),
        "settled": found.exhausted.tolist(),
        "lower_margin": [round(margin, 6) if math.isfinite(margin) else None for margin in found.lower_margin.tolist()],
        # Of each graph the edges added and those removed that break it; null where none are known.
        "witnesses": [[w.added.T.tolist(), w.removed.T.tolist()] if w is not None else None for w in found.witnesses],
        "threat": plain(settings["threat"]),
        "dataset": inputs["dataset"].digest,
        "victim": inputs["victim"].digest,
    }
    return Artifact({}, info, {})


# --- attack -----------------------------------------------------------------------------------------------------------


def _refuse_other_classes(edited: PackedGraphs, rule: str, numbers: Tensor) -> None:
    """Raise `GuardViolation` where edits changed the true class of a graph; numbers (G,) are those in the data set."""
    wrong = unproved_labels(edited, rule)
    if bool(wrong.any()):
        raise GuardViolation(f"The edits of graph {int(numbers[wrong][0])} change its true class: the threat model must not allow them")


def _fit_graphs(settings: Mapping[str, Any], dataset: Dataset) -> FitGraphs:
    """The graphs that the protocol lets an attack learn on."""
    if settings["fit"] == "train":
        return FitGraphs(dataset.part(dataset.train), dataset.part(dataset.validation))
    test = dataset.part(dataset.test)
    return FitGraphs(test, test)


def _attacker(settings: Mapping[str, Any], inputs: Mapping[str, Artifact], context: Context) -> Artifact:
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
    info = {"curve": fitted.curve, "queries": fitted.queries, "gradient_calls": fitted.gradient_calls}
    # What it was handed, not what it should have been: an audit looks for test graphs among these.
    handed = torch.cat([graph_keys(part) for part in fit]).unique()
    return Artifact({**_prefixed("state", fitted.state), FITTED_ON: handed}, info, {"fit_seconds": fitted.seconds})


def _fitted(artifact: Artifact) -> Fitted:
    info = artifact.info
    curve = [(int(step), float(loss), float(accuracy)) for step, loss, accuracy in info["curve"]]
    state = _unprefixed("state", artifact.tensors)
    return Fitted(state, curve, info["queries"], info["gradient_calls"], artifact.about["fit_seconds"])


def what_they_found(records: Sequence[Record]) -> Fitted:
    """What R attacks on one victim found on the same G graphs, K edits in all, for an attack that combines them.

    Their budgets may differ, if all are numbers of edits or all shares of edges: the guard refuses what is too much for the attack.

    State: `clean_margin` (G,), `attacked_margin` (R, G), both rounded; whether the graph is then `broken` (R, G); of each
    edit its `attack` (K,), from 0 to R - 1, its `graph` (K,), counted within the attacked graphs, its nodes `pairs` (2, K), and whether
    it is `added` (K,) or removed. Costs are the sums.

    Raises:
        ValueError: no records, or records of different graphs, victims or threats.
    """

    def about(record: Record) -> tuple[Any, ...]:
        but_budget = json.dumps({**record.threat, "budget": isinstance(record.threat["budget"], float)})
        return record.victim, record.dataset, but_budget, tuple(outcome.graph for outcome in record.outcomes)

    if len({about(record) for record in records}) != 1:
        raise ValueError("Expected records of one victim, set of graphs and threat, budgets apart, to combine, got none or different ones")
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
        "attacked_margin": torch.tensor([[o.attacked_margin for o in record.outcomes] for record in records]),
        "broken": torch.tensor([[o.broken for o in record.outcomes] for record in records]),
        "attack": attack,
        "graph": graph,
        "pairs": torch.stack([first, second]),
        "added": added.bool(),
    }
    queries, gradient_calls = sum(r.queries for r in records), sum(r.gradient_calls for r in records)
    return Fitted(state, [], queries, gradient_calls, sum(r.fit_seconds for r in records))


def _attack(step: Step, inputs: Mapping[str, Artifact], others: Sequence[Record], context: Context) -> Record:
    settings = step.settings
    dataset = dataset_of(inputs["dataset"])
    victim_artifact = inputs["victim"]
    victim = victim_of(victim_artifact, context.device)
    test = dataset.part(dataset.test)
    attack, threat = settings["attack"], settings["threat"]
    assert step.cell is not None
    fitted = what_they_found(others) if attack.combines else _fitted(inputs["attacker"]) if "attacker" in inputs else None
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
    _refuse_other_classes(apply_all(test, result.perturbations), settings["label_rule"], dataset.test)
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
        attacker=ArtifactRef(step.inputs["attacker"].key, inputs["attacker"].digest) if "attacker" in inputs else None,
        pretrain_seconds=victim_artifact.about["pretrain_seconds"],
        train_seconds=victim_artifact.about["seconds"],
        fit_seconds=result.fit_seconds,
        attack_seconds=result.attack_seconds + sum(other.attack_seconds for other in others),
        queries=result.queries,
        gradient_calls=result.gradient_calls,
        environment=environment(context),
        notes=victim_artifact.info["notes"],
    )


_COMPUTE: dict[str, Callable[[Mapping[str, Any], Mapping[str, Artifact], Context], Artifact]] = {
    "dataset": _dataset,
    "warm_up": _warm_up,
    "pretraining": _pretraining,
    "victim": _victim,
    "attacker": _attacker,
    "representation": _representation,
    "certificate": _certificate,
}
