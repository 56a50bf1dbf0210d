"""Small classifiers that are trained, and what their losses are, told by a loop."""

from __future__ import annotations

import math

import torch
from generators import seeded

from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.training import Training, train_classifier


def new_model(encoder=Structure2Vec, seed=0):
    generator = seeded(seed)
    built = encoder(in_features=3, width=8, layers=2, generator=generator)
    return GraphClassifier(built, num_classes=3, hidden=6, generator=generator)


def weights_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def by_loop(model, graphs):
    """Loss and accuracy, graph by graph, in plain Python."""
    model.eval()
    loss, right = 0.0, 0
    for number in range(graphs.num_graphs):
        with torch.no_grad():
            row = model(graphs.select(torch.tensor([number])))[0].tolist()
        y = int(graphs.y[number])
        top = max(row)
        loss += top + math.log(sum(math.exp(value - top) for value in row)) - row[y]
        right += row.index(top) == y
    return loss / graphs.num_graphs, right / graphs.num_graphs


def losses_of(parts, **settings):
    """The losses of a training, and the weights that it ends with."""
    model = new_model()
    trained = train_classifier(
        model, *parts, Training(batch_size=8, learning_rate=0.02, **settings), seeded(1)
    )
    return trained, weights_of(model)
