"""How warm-up and pretraining are computed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from robust_augcl.contrast.diagnostics import diagnose
from robust_augcl.contrast.objective import Objective
from robust_augcl.contrast.pretrain import (
    Batches,
    ContrastiveModel,
    Pretraining,
    contrastive_training,
    embedded,
    fit_objective,
)
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.optimizer import adam
from robust_augcl.plan.step import Step
from robust_augcl.seeds import generator
from robust_augcl.steps.artifacts import dataset_of, new_encoder, prefixed, unprefixed
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.artifact import Artifact


def _new_contrastive(settings: Mapping[str, Any], dataset: Dataset) -> ContrastiveModel:
    encoder = new_encoder(settings, dataset.graphs.x.size(1))
    return ContrastiveModel(
        encoder, settings["pretraining"], generator("projection", settings["seed"])
    )


def _pretraining_graphs(settings: Mapping[str, Any], dataset: Dataset) -> PackedGraphs:
    """The graphs that pretraining sees: those for training, or all for unsupervised scores."""
    return dataset.graphs if settings["graphs"] == "all" else dataset.part(dataset.train)


def _batches(stage: str, settings: Mapping[str, Any], dataset: Dataset, device: str) -> Batches:
    graphs = _pretraining_graphs(settings, dataset).to(device)
    order = generator("order", settings["seed"])  # of all stages, where it is drawn once
    return Batches(
        graphs, settings["pretraining"], generator("batches", stage, settings["seed"]), order
    )


def compute_warm_up(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Train an encoder as every method of the suite starts.

    The optimizer's state is kept with the weights, since the methods go on from both.
    """
    settings = step.settings
    dataset = dataset_of(inputs.artifacts["dataset"])
    pretraining: Pretraining = settings["pretraining"]
    model = _new_contrastive(settings, dataset).to(context.device)
    optimizer = adam(model, pretraining.learning_rate)
    batches = _batches("warm-up", settings, dataset, context.device)
    losses = contrastive_training(
        model, optimizer, batches, pretraining, pretraining.warm_up_epochs, report=context.report
    )
    return Artifact(
        {**prefixed("model", model.state_dict()), **_adam_tensors(model, optimizer)},
        {"losses": losses},
    )


def compute_pretraining(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Go on from a warm-up with a method's own objective."""
    start = time.perf_counter()
    settings, warm_up = step.settings, inputs.artifacts["warm_up"]
    dataset = dataset_of(inputs.artifacts["dataset"])
    pretraining: Pretraining = settings["pretraining"]
    seed, device, epochs = settings["seed"], context.device, settings["continued_epochs"]
    model = _new_contrastive(settings, dataset).to(device)
    model.load_state_dict(unprefixed("model", warm_up.tensors))
    optimizer = adam(model, pretraining.learning_rate)
    _load_adam(model, optimizer, warm_up.tensors)
    objective: Objective = settings["method"].objective(
        model.encoder.embedding_size, pretraining.loss, generator("weighter", seed), device
    )
    report = context.report
    if objective.learns:
        batches = _batches("weighter", settings, dataset, device)
        fit_objective(
            objective,
            model,
            batches,
            generator("weighter fit", seed),
            lambda done, text: context.report(done / 2, text),
        )
        report = lambda done, text: context.report((1 + done) / 2, text)  # noqa: E731
    batches = _batches("continued", settings, dataset, device)
    losses = contrastive_training(model, optimizer, batches, pretraining, epochs, objective, report)
    about = {
        "seconds": time.perf_counter() - start,
        "warm_up_seconds": warm_up.about["seconds"],
    }
    info = {"losses": losses, "notes": objective.notes, **objective.info}
    # Labels are looked at here, after training, and only to say how the weights relate to true and
    # false negatives.
    labels = _pretraining_graphs(settings, dataset).y.to(device)
    info["diagnosis"] = diagnose(
        embedded(model, _batches("diagnosis", settings, dataset, device)), objective, labels
    )
    return Artifact(prefixed("encoder", model.encoder.state_dict()), info, about)


def _adam_tensors(model: nn.Module, optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    """Adam's state by the names of the parameters; empty before its first step."""
    named = {id(parameter): name for name, parameter in model.named_parameters()}
    state = {named[id(parameter)]: values for parameter, values in optimizer.state.items()}
    return {
        f"adam.{name}|{what}": value
        for name, values in state.items()
        for what, value in values.items()
    }


def _load_adam(
    model: nn.Module, optimizer: torch.optim.Adam, tensors: Mapping[str, Tensor]
) -> None:
    state = unprefixed("adam", tensors)
    for name, parameter in model.named_parameters():
        own = {
            what: state[f"{name}|{what}"].to(parameter.device)
            for what in ("step", "exp_avg", "exp_avg_sq")
            if f"{name}|{what}" in state
        }
        if own:
            optimizer.state[parameter] = own
