"""Victims in double precision, and what they are asked."""

from __future__ import annotations

import torch
from generators import seeded

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.margins import margins
from robust_augcl.threat.model import ThreatModel

ADD = ThreatModel()
BOTH = ThreatModel(operations=("add", "delete"))
PAPER = ThreatModel(within_component=True, allow_existing=True)
EVERY_PAIR = ThreatModel(allow_existing=True)


def new_model(encoder, seed=0, layers=3):
    """In double precision; normalisation and biases are not at their start."""
    generator = seeded(seed)
    model = GraphClassifier(
        encoder(in_features=3, width=6, layers=layers, generator=generator),
        num_classes=3,
        hidden=5,
        generator=generator,
    )
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith(("bias", "running_mean")):
                value.uniform_(-0.3, 0.3, generator=generator)
            if name.endswith("running_var"):
                value.uniform_(5, 20, generator=generator)
    return model.double()


def double(graphs):
    return PackedGraphs(graphs.x.double(), graphs.edge_index, graphs.ptr, graphs.y)


def relaxed(asked, graphs):
    candidates = BOTH.enumerate(graphs)
    weights = torch.linspace(0.1, 0.9, len(candidates))
    return asked.relaxed(
        graphs, candidates, weights, lambda logits, index: -margins(logits, graphs.y[index])
    )
