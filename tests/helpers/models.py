"""Classifiers with random weights."""

from __future__ import annotations

import torch

from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.seeds import generator


def classifier(encoder, purpose, *, layers, features=1, width=8, hidden=8, seed=0):
    """In evaluation mode; biases and normalisation are not at their start. `purpose` and `seed`
    seed the weights.
    """
    draws = generator(purpose, seed)
    model = GraphClassifier(
        encoder(in_features=features, width=width, layers=layers, generator=draws),
        num_classes=3,
        hidden=hidden,
        generator=draws,
    )
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith(("bias", "running_mean")):
                value.uniform_(-0.5, 0.5, generator=draws)
            if name.endswith("running_var"):
                value.uniform_(2, 9, generator=draws)
    return model.eval().requires_grad_(False)
