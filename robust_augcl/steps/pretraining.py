"""How warm-up and pretraining are computed."""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robust_augcl.contrast.diagnostics import diagnose
from robust_augcl.contrast.objective import InfoNCE, Objective
from robust_augcl.plan.step import Step
from robust_augcl.seeds import generator
from robust_augcl.steps.artifacts import dataset_of, prefixed, unprefixed
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import Inputs
from robust_augcl.steps.pretraining_stages import stages_of
from robust_augcl.store.artifact import Artifact


def compute_warm_up(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Train an encoder as every method of the suite starts.

    The optimizer's state is kept with the weights, since the methods go on from both.
    """
    stages = stages_of(step.settings, dataset_of(inputs.artifacts["dataset"]), context.device)
    epochs = stages.pretraining.warm_up_epochs
    losses = stages.train("warm-up", epochs, InfoNCE(stages.pretraining.loss), context.report)
    return Artifact(
        {
            **prefixed("model", stages.model.state_dict()),
            **_adam_tensors(stages.model, stages.optimizer),
        },
        {"losses": losses},
    )


def compute_pretraining(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Go on from a warm-up with a method's own objective."""
    start = time.perf_counter()
    settings, warm_up = step.settings, inputs.artifacts["warm_up"]
    stages = stages_of(settings, dataset_of(inputs.artifacts["dataset"]), context.device)
    seed, model = settings["seed"], stages.model
    model.load_state_dict(unprefixed("model", warm_up.tensors))
    _load_adam(model, stages.optimizer, warm_up.tensors)
    objective: Objective = settings["method"].objective(
        model.encoder.embedding_size,
        stages.pretraining.loss,
        generator("weighter", seed),
        context.device,
    )
    report = context.report
    if objective.learns:
        stages.fit(
            objective,
            generator("weighter fit", seed),
            lambda done, text: context.report(done / 2, text),
        )
        report = lambda done, text: context.report((1 + done) / 2, text)  # noqa: E731
    losses = stages.train("continued", settings["continued_epochs"], objective, report)
    about = {
        "seconds": time.perf_counter() - start,
        "warm_up_seconds": warm_up.about["seconds"],
    }
    info = {"losses": losses, "notes": objective.notes, **objective.info}
    # Labels are looked at here, after training, and only to say how the weights relate to true and
    # false negatives.
    info["diagnosis"] = diagnose(stages.last_look(), objective, stages.labels)
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
            what: state[f"{name}|{what}"].to(parameter.device, copy=True)
            for what in ("step", "exp_avg", "exp_avg_sq")
            if f"{name}|{what}" in state
        }
        if own:
            optimizer.state[parameter] = own
