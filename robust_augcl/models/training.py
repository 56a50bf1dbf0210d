"""Supervised training of a classifier, its epoch chosen by the loss on graphs that it does not
train on.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.optimizer import adam
from robust_augcl.progress import Report, silent
from robust_augcl.validation import require_positive


@dataclass(frozen=True)
class Training:
    """Settings of supervised training of the whole classifier, encoder included.

    Args:
        epochs: over the training graphs.
        batch_size: graphs a batch.
        learning_rate: of Adam, with a fresh state.
        head_hidden: hidden width of the classifier head.

    Raises:
        ValueError: a value that is not positive.
    """

    epochs: int = 100
    batch_size: int = 50
    learning_rate: float = 0.001
    head_hidden: int = 32

    def __post_init__(self) -> None:
        require_positive(self, "epochs", "batch_size", "learning_rate", "head_hidden")


@dataclass(frozen=True)
class Selected:
    """The chosen epoch (from 1), and the loss and accuracy on the graphs it was chosen by."""

    epoch: int
    loss: float
    accuracy: float


def train_classifier(
    model: GraphClassifier,
    train: PackedGraphs,
    selection: PackedGraphs,
    settings: Training,
    generator: torch.Generator,
    report: Report = silent,
) -> Selected:
    """Train in place; the model ends with the weights of the epoch of lowest loss on `selection`,
    the first of equals.

    All chance, the order of the graphs, comes from `generator`.
    """
    optimizer = adam(model, settings.learning_rate)
    best = Selected(0, float("inf"), 0.0)
    weights = copy.deepcopy(model.state_dict())
    train_logits, selection_logits = model.batched(train), model.batched(selection)
    for epoch in range(1, settings.epochs + 1):
        model.train()
        for index in torch.randperm(train.num_graphs, generator=generator).split(
            settings.batch_size
        ):
            if index.numel() == 1 and int(train.sizes[index]) == 1:
                continue  # batch normalisation needs two nodes; the order differs in each epoch
            loss = cross_entropy(train_logits(index), train.y[index.to(train.device)])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        now = evaluate(model, selection, epoch, selection_logits)
        if now.loss < best.loss:
            best, weights = now, copy.deepcopy(model.state_dict())
        report(
            epoch / settings.epochs, f"validation loss {now.loss:.3f}, accuracy {now.accuracy:.3f}"
        )
    model.load_state_dict(weights)
    return best


@torch.no_grad()
def evaluate(
    model: GraphClassifier,
    graphs: PackedGraphs,
    epoch: int = 0,
    logits_of: Callable[[Tensor], Tensor] | None = None,
) -> Selected:
    """Loss and accuracy of a model in evaluation mode; it is left in that mode.

    `logits_of` is `model.batched(graphs)`, where the caller has it already.
    """
    model.eval()
    logits = model(graphs) if logits_of is None else logits_of(torch.arange(graphs.num_graphs))
    accuracy = (logits.argmax(1) == graphs.y).float().mean()
    return Selected(epoch, float(cross_entropy(logits, graphs.y)), float(accuracy))
