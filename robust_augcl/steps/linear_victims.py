"""How a victim of linear evaluation is made: a frozen encoder, and a logistic regression on it."""

from __future__ import annotations

import torch
from torch import Tensor

from robust_augcl.graphs.dataset import Dataset
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.encoder_base import Encoder
from robust_augcl.models.linear_evaluation import Linear, evaluate_linearly
from robust_augcl.plan.step import Step
from robust_augcl.steps.artifacts import dataset_of, load_pretrained, new_encoder, prefixed
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.artifact import Artifact


def compute_linear_victim(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Put a logistic regression on a frozen encoder; the two are one classifier.

    The penalty is chosen on the targets for validation, whatever the protocol.

    Raises:
        InputError: an embedding is not finite, or too few targets.
    """
    settings = step.settings
    dataset = dataset_of(inputs.artifacts["dataset"])
    encoder = new_encoder(settings, dataset.graphs.x.size(1))
    pretrain_seconds, notes = 0.0, []
    if "pretraining" in inputs.artifacts:
        pretrain_seconds = load_pretrained(encoder, inputs.artifacts["pretraining"])
        notes = inputs.artifacts["pretraining"].info["notes"]
    embeddings = embeddings_of(encoder.to(context.device), dataset, context.device).cpu()
    y, classes = dataset.y, dataset.num_classes
    found = evaluate_linearly(
        embeddings,
        y,
        dataset.train,
        dataset.validation,
        settings["linear"],
        classes,
        context.report,
    )
    right = found.linear(embeddings).argmax(1) == y
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    info = {
        "encoder": settings["encoder"],
        "width": settings["width"],
        "layers": settings["layers"],
        "in_features": dataset.graphs.x.size(1),
        "num_classes": classes,
        "chosen": found.chosen,
        "tried": [one._asdict() for one in found.tried],
        "accuracy": {name: float(right[of].double().mean()) for name, of in parts.items()},
        "notes": notes,
    }
    model = with_linear_head(encoder.cpu(), found.linear)
    about = {"pretrain_seconds": pretrain_seconds}
    return Artifact(prefixed("model", model.state_dict()), info, about)


@torch.no_grad()
def embeddings_of(encoder: Encoder, dataset: Dataset, device: str) -> Tensor:
    """Return the states of all targets (T, D) by an encoder in evaluation mode, which it stays in.

    Each graph is embedded once, however many targets it holds.
    """
    encoder.eval()
    graphs = dataset.graphs.to(device)
    nodes, states = encoder(graphs.x, graphs.edges, graphs.batch, graphs.num_graphs)
    targets = dataset.targets_at(torch.arange(dataset.y.numel()))
    if targets.node is None:
        rows: Tensor = states[targets.graph.to(device)]
    else:
        rows = nodes[(dataset.graphs.ptr[targets.graph] + targets.node).to(device)]
    return rows


def with_linear_head(encoder: Encoder, linear: Linear) -> GraphClassifier:
    """Return encoder and linear classifier as one classifier, with gradients for every edge."""
    model = GraphClassifier(
        encoder, num_classes=linear.bias.numel(), hidden=0, generator=torch.Generator()
    )
    head = model.head[0]
    head.load_state_dict({"weight": linear.weight, "bias": linear.bias})
    return model
