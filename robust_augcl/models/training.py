"""Supervised training of a classifier.

The epoch is chosen by the loss on graphs that the classifier does not train on.
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
        epochs: passes over the training graphs.
        batch_size: graphs in a batch.
        learning_rate: of Adam, which starts with a fresh state.
        head_hidden: the hidden width of the classifier's head.

    Raises:
        ValueError: a value is not positive.
    """

    epochs: int = 100
    batch_size: int = 50
    learning_rate: float = 0.001
    head_hidden: int = 32

    def __post_init__(self) -> None:
        require_positive(self, "epochs", "batch_size", "learning_rate", "head_hidden")


@dataclass(frozen=True)
class Selected:
    """The chosen epoch.

    Args:
        epoch: its number, counted from 1.
        loss: on the graphs that it was chosen by.
        accuracy: on the same graphs, from 0 to 1.
    """

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
    """Train a classifier in place, and keep its weights of the epoch of the lowest loss.

    The loss is that on `selection`; of equal epochs the first is kept. All chance, which is the
    order of the graphs, comes from `generator`.

    Args:
        model: the classifier.
        train: the graphs to train on.
        selection: the graphs that choose the epoch.
        settings: how to train.
        generator: the source of the order of the graphs.
        report: is told how far the training is.

    >>> from torch_geometric.data import Data
    >>> from robust_augcl.registry import load
    >>> def graph(edges, y):
    ...     both = torch.tensor(edges + [(j, i) for i, j in edges]).T
    ...     return Data(x=torch.ones(3, 1), edge_index=both, y=torch.tensor([y]))
    >>> path, triangle = graph([(0, 1), (1, 2)], 0), graph([(0, 1), (1, 2), (0, 2)], 1)
    >>> graphs = PackedGraphs.from_data_list([path, triangle])
    >>> generator = torch.Generator().manual_seed(0)
    >>> encoder = load("encoder", "structure2vec")(
    ...     in_features=1, width=8, layers=2, generator=generator
    ... )
    >>> model = GraphClassifier(encoder, num_classes=2, hidden=8, generator=generator)
    >>> settings = Training(epochs=50, batch_size=2, learning_rate=0.05)
    >>> train_classifier(model, graphs, graphs, settings, generator).accuracy
    1.0
    """
    optimizer = adam(model, settings.learning_rate)
    best = Selected(0, float("inf"), 0.0)
    weights = copy.deepcopy(model.state_dict())
    train_logits, selection_logits = model.batched(train), model.batched(selection)
    for epoch in range(1, settings.epochs + 1):
        model.train()
        order = torch.randperm(train.num_graphs, generator=generator)
        for index in order.split(settings.batch_size):
            _train_on(index, train, train_logits, optimizer)
        now = evaluate(model, selection, epoch, selection_logits)
        if now.loss < best.loss:
            best, weights = now, copy.deepcopy(model.state_dict())
        report(
            epoch / settings.epochs, f"validation loss {now.loss:.3f}, accuracy {now.accuracy:.3f}"
        )
    model.load_state_dict(weights)
    return best


def _train_on(
    index: Tensor,
    train: PackedGraphs,
    logits_of: Callable[[Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Make one step on the graphs of these numbers (B,)."""
    # Batch normalisation needs two nodes. The order differs in each epoch, so the graph that is
    # left out differs too.
    if index.numel() == 1 and int(train.sizes[index]) == 1:
        return
    loss = cross_entropy(logits_of(index), train.y[index.to(train.device)])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@torch.no_grad()
def evaluate(
    model: GraphClassifier,
    graphs: PackedGraphs,
    epoch: int = 0,
    logits_of: Callable[[Tensor], Tensor] | None = None,
) -> Selected:
    """Return the loss and the accuracy of a model in evaluation mode.

    The model is left in that mode.

    Args:
        model: the classifier.
        graphs: what it is evaluated on.
        epoch: stands in the answer.
        logits_of: `model.batched(graphs)`, if the caller has it already.
    """
    model.eval()
    logits = model(graphs) if logits_of is None else logits_of(torch.arange(graphs.num_graphs))
    accuracy = (logits.argmax(1) == graphs.y).float().mean()
    return Selected(epoch, float(cross_entropy(logits, graphs.y)), float(accuracy))
