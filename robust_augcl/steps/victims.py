"""How victims are trained: a classifier on labels, from a pretrained encoder or from scratch."""

from __future__ import annotations

from dataclasses import asdict

from robust_augcl.errors import TrainingDiverged
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.training import train_classifier
from robust_augcl.plan.step import Step
from robust_augcl.seeds import generator
from robust_augcl.steps.artifacts import dataset_of, load_pretrained, new_encoder, prefixed
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.artifact import Artifact


def compute_victim(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Train a victim, and choose its epoch by the graphs that the protocol names.

    Raises:
        TrainingDiverged: no epoch had a finite loss.
    """
    settings, training = step.settings, step.settings["training"]
    dataset = dataset_of(inputs.artifacts["dataset"])
    encoder = new_encoder(settings, dataset.graphs.x.size(1))
    pretrain_seconds, notes = 0.0, []
    if "pretraining" in inputs.artifacts:
        pretrain_seconds = load_pretrained(encoder, inputs.artifacts["pretraining"])
        notes = inputs.artifacts["pretraining"].info["notes"]
    model = GraphClassifier(
        encoder,
        num_classes=dataset.num_classes,
        hidden=training.head_hidden,
        generator=generator("head", settings["seed"]),
    ).to(context.device)
    validation = settings["selection"] == "validation"
    trained = train_classifier(
        model,
        dataset.part(dataset.train).to(context.device),
        dataset.part(dataset.validation if validation else dataset.test).to(context.device),
        training,
        generator("training", settings["seed"]),
        context.report,
    )
    if trained.selected.epoch == 0:
        raise TrainingDiverged(
            f"no finite validation loss in {len(trained.losses)} epochs: a lower `learning_rate` "
            "may help"
        )
    info = {
        "encoder": settings["encoder"],
        "width": settings["width"],
        "layers": settings["layers"],
        "in_features": dataset.graphs.x.size(1),
        "num_classes": dataset.num_classes,
        "head_hidden": training.head_hidden,
        "selected": asdict(trained.selected),
        "losses": trained.losses,
        "train_losses": trained.train_losses,
        "notes": notes,
    }
    about = {"pretrain_seconds": pretrain_seconds}
    return Artifact(prefixed("model", model.state_dict()), info, about)
