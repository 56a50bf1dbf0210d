"""How each step is computed, from its settings and the results of its inputs.

Every generator is seeded by what it is for. The seeds of initial weights, batches and views do not
hold the method, and those of an attack do not hold the victim: methods are compared on the same
draws.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import torch

from robust_augcl.errors import TrainingDiverged
from robust_augcl.graphs.dataset import load_dataset
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.representations import svm_scores
from robust_augcl.models.training import train_classifier
from robust_augcl.plan.planner import Step, plain
from robust_augcl.seeds import generator
from robust_augcl.steps.artifacts import (
    dataset_artifact,
    dataset_of,
    load_pretrained,
    new_encoder,
    prefixed,
)
from robust_augcl.steps.attacking import compute_attack, compute_attacker
from robust_augcl.steps.certifying import compute_certificate, compute_certificate_part
from robust_augcl.steps.context import Context, environment
from robust_augcl.steps.pretraining import compute_pretraining, compute_warm_up
from robust_augcl.store.run_folder import load_record
from robust_augcl.store.store import Artifact, write_atomically


def compute(step: Step, context: Context) -> None:
    """Compute a step, whose inputs are in the store, and store its result."""
    inputs = {
        role: context.store.load(needed.key)
        for role, needed in step.inputs.items()
        if needed.kind != "attack"
    }
    if step.kind == "attack":
        others = [
            load_record(context.store, needed.key)
            for needed in step.inputs.values()
            if needed.kind == "attack"
        ]
        record = compute_attack(step, inputs, others, context)
        write_atomically(context.store.record_path(step.key), record.dumps().encode())
        return
    start = time.perf_counter()
    artifact = COMPUTE[step.kind](step.settings, inputs, context)
    about = {
        "seconds": time.perf_counter() - start,
        "environment": environment(context),
        "title": step.title,
        **artifact.about,
    }
    context.store.save(step.key, replace(artifact, about=about))


def _dataset(
    settings: Mapping[str, Any], inputs: Mapping[str, Artifact], context: Context
) -> Artifact:
    source, seed = settings["source"], settings["seed"]
    dataset = load_dataset(
        source, settings["split"], context.archives, generator("dataset", plain(source), seed)
    )
    return dataset_artifact(dataset, {"label": source.label, "label_rule": source.label_rule})


def _representation(
    settings: Mapping[str, Any], inputs: Mapping[str, Artifact], context: Context
) -> Artifact:
    dataset = dataset_of(inputs["dataset"])
    encoder = new_encoder(settings, dataset.graphs.x.size(1))
    about = {"pretrain_seconds": 0.0}
    if "pretraining" in inputs:
        about["pretrain_seconds"] = load_pretrained(encoder, inputs["pretraining"])
    encoder.to(context.device).eval()
    with torch.no_grad():
        parts = [
            encoder.embed(dataset.part(index).to(context.device)).cpu()
            for index in torch.arange(dataset.graphs.num_graphs).split(500)
        ]
    scores = svm_scores(
        torch.cat(parts),
        dataset.graphs.y,
        settings["representations"],
        generator("representation", settings["seed"]),
        context.report,
    )
    return Artifact(
        {},
        {"accuracy": [score.accuracy for score in scores], "c": [score.c for score in scores]},
        about,
    )


def _victim(
    settings: Mapping[str, Any], inputs: Mapping[str, Artifact], context: Context
) -> Artifact:
    dataset = dataset_of(inputs["dataset"])
    training, seed = settings["training"], settings["seed"]
    encoder = new_encoder(settings, dataset.graphs.x.size(1))
    about, notes = {"pretrain_seconds": 0.0}, []
    if "pretraining" in inputs:
        about["pretrain_seconds"] = load_pretrained(encoder, inputs["pretraining"])
        notes = inputs["pretraining"].info["notes"]
    hidden = training.head_hidden
    model = GraphClassifier(
        encoder, num_classes=dataset.num_classes, hidden=hidden, generator=generator("head", seed)
    )
    model.to(context.device)
    selection = dataset.part(
        dataset.validation if settings["selection"] == "validation" else dataset.test
    )
    train = dataset.part(dataset.train).to(context.device)
    chosen = train_classifier(
        model,
        train,
        selection.to(context.device),
        training,
        generator("training", seed),
        context.report,
    )
    if chosen.epoch == 0:
        raise TrainingDiverged(
            f"no finite validation loss in {training.epochs} epochs: a lower `learning_rate` "
            "may help"
        )
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
    return Artifact(prefixed("model", model.state_dict()), info, about)


COMPUTE: dict[str, Callable[[Mapping[str, Any], Mapping[str, Artifact], Context], Artifact]] = {
    "dataset": _dataset,
    "warm_up": compute_warm_up,
    "pretraining": compute_pretraining,
    "victim": _victim,
    "attacker": compute_attacker,
    "representation": _representation,
    "certificate": compute_certificate,
    "certificate_part": compute_certificate_part,
}
