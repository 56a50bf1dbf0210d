"""How encoders that have seen no label are scored."""

from __future__ import annotations

import torch

from robust_augcl.graphs.limits import limits
from robust_augcl.models.representations import svm_scores
from robust_augcl.plan.step import Step
from robust_augcl.seeds import generator
from robust_augcl.steps.artifacts import dataset_of, load_pretrained, new_encoder
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.artifact import Artifact


def compute_representation(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Embed all graphs, and score the embeddings with an SVM on each fold."""
    settings = step.settings
    dataset = dataset_of(inputs.artifacts["dataset"])
    encoder = new_encoder(settings, dataset.graphs.x.size(1))
    pretrain_seconds = 0.0
    if "pretraining" in inputs.artifacts:
        pretrain_seconds = load_pretrained(encoder, inputs.artifacts["pretraining"])
    encoder.to(context.device).eval()
    at_once = limits().embedded_graphs
    with torch.no_grad():
        embeddings = [
            encoder.embed(dataset.part(numbers).to(context.device)).cpu()
            for numbers in torch.arange(dataset.y.numel()).split(at_once)
        ]
    scores = svm_scores(
        torch.cat(embeddings),
        dataset.y,
        settings["representations"],
        generator("representation", settings["seed"]),
        context.report,
    )
    info = {"accuracy": [score.accuracy for score in scores], "c": [score.c for score in scores]}
    return Artifact({}, info, {"pretrain_seconds": pretrain_seconds})
