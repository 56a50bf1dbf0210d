"""Supervised training of a classifier.

The epoch is chosen by the loss on graphs that the classifier does not train on. That loss may also
end the training, and let the learning rate fall: both wait for a number of epochs without a new
lowest loss.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.optimizer import adam
from robust_augcl.progress import Report, silent
from robust_augcl.results.rest import patience_is_over
from robust_augcl.results.stored_info import MOST_WIDTH
from robust_augcl.revisions import LATER
from robust_augcl.validation import require_not_negative, require_positive


@dataclass(frozen=True)
class Training:
    """Settings of supervised training of the whole classifier, encoder included.

    Args:
        epochs: passes over the training graphs, at the most.
        batch_size: graphs in a batch.
        learning_rate: of Adam, which starts with a fresh state.
        head_hidden: the hidden width of the classifier's head.
        patience: the training ends after so many epochs in a row without a new lowest loss on the
            graphs that choose the epoch; 0 for never.
        patience_share: the patience is at least this share of the epochs so far, so that a longer
            training waits longer; at least 0 and below 1.
        decay_after: after so many such epochs, and after each as many more, the learning rate is
            multiplied by `decay`; 0 for never.
        decay: above 0 and below 1.
        paper_epochs: passes under the protocol `paper`, which knows neither patience nor decay; 0
            for `epochs`.
        paper_learning_rate: the learning rate under that protocol; 0 for `learning_rate`.

    Raises:
        ValueError: a value is out of its range, or the head is too wide to be stored.

    >>> strict = Training(epochs=400, patience=40, decay_after=15, paper_epochs=100)
    >>> strict.published().epochs, strict.published().patience
    (100, 0)
    """

    epochs: int = 100
    batch_size: int = 50
    learning_rate: float = 0.001
    head_hidden: int = 32
    patience: int = field(default=0, metadata=LATER)
    patience_share: float = field(default=0.0, metadata=LATER)
    decay_after: int = field(default=0, metadata=LATER)
    decay: float = field(default=0.5, metadata=LATER)
    paper_epochs: int = field(default=0, metadata=LATER)
    paper_learning_rate: float = field(default=0.0, metadata=LATER)

    def __post_init__(self) -> None:
        require_positive(self, "epochs", "batch_size", "learning_rate", "head_hidden")
        require_not_negative(self, "patience", "decay_after")
        require_not_negative(self, "paper_epochs", "paper_learning_rate")
        if not 0 <= self.patience_share < 1:
            raise ValueError(
                f"Expected `patience_share` to be at least 0 and below 1, got {self.patience_share}"
            )
        if self.patience_share and not self.patience:
            raise ValueError(
                "Expected `patience` to be above 0 where `patience_share` is, got 0: "
                "a patience of 0 never ends a training"
            )
        if not 0 < self.decay < 1:
            raise ValueError(f"Expected `decay` to be above 0 and below 1, got {self.decay}")
        if self.head_hidden > MOST_WIDTH:
            raise ValueError(
                f"Expected `head_hidden` to be at most {MOST_WIDTH}, got {self.head_hidden}"
            )

    def own(self) -> Training:
        """The settings without those that are the protocol `paper`'s alone."""
        return replace(self, paper_epochs=0, paper_learning_rate=0.0)

    def published(self) -> Training:
        """The settings under the protocol `paper`: a fixed number of epochs, one learning rate."""
        return Training(
            epochs=self.paper_epochs or self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.paper_learning_rate or self.learning_rate,
            head_hidden=self.head_hidden,
        )


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


@dataclass(frozen=True)
class Trained:
    """How a training went.

    Args:
        selected: the chosen epoch.
        train_losses: of each epoch the mean loss of its batches, each before its step.
        losses: of each epoch the loss on the graphs that choose, after the epoch.
    """

    selected: Selected
    train_losses: list[float]
    losses: list[float]


def train_classifier(
    model: GraphClassifier,
    train: PackedGraphs,
    selection: PackedGraphs,
    settings: Training,
    generator: torch.Generator,
    report: Report = silent,
) -> Trained:
    """Train a classifier in place, and keep its weights of the epoch of the lowest loss.

    The loss is that on `selection`; of equal epochs the first is kept. All chance, which is the
    order of the graphs, comes from `generator`. So a training that ends by its patience has gone
    the way of a longer one up to there.

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
    >>> train_classifier(model, graphs, graphs, settings, generator).selected.accuracy
    1.0
    """
    optimizer = adam(model, settings.learning_rate)
    best = Selected(0, float("inf"), 0.0)
    weights = copy.deepcopy(model.state_dict())
    train_logits, selection_logits = model.batched(train), model.batched(selection)
    train_losses: list[float] = []
    losses: list[float] = []
    for epoch in range(1, settings.epochs + 1):
        order = torch.randperm(train.num_graphs, generator=generator)
        model.train()
        batches = order.split(settings.batch_size)
        train_losses.append(_pass_over(batches, train, train_logits, optimizer))
        now = evaluate(model, selection, epoch, selection_logits)
        losses.append(now.loss)
        if now.loss < best.loss:
            best, weights = now, copy.deepcopy(model.state_dict())
        text = f"validation loss {now.loss:.3f}, accuracy {now.accuracy:.3f}"
        report(epoch / settings.epochs, text)
        if patience_is_over(epoch, best.epoch, settings.patience, settings.patience_share):
            break
        _let_fall(optimizer, epoch - best.epoch, settings)
    model.load_state_dict(weights)
    return Trained(best, train_losses, losses)


def _pass_over(
    batches: Sequence[Tensor],
    train: PackedGraphs,
    logits_of: Callable[[Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
) -> float:
    """Make a step on each batch of graphs; return the mean of the losses before, NaN of none."""
    steps = [_train_on(index, train, logits_of, optimizer) for index in batches]
    losses = [loss for loss in steps if loss is not None]
    return float(torch.stack(losses).mean()) if losses else float("nan")


def _train_on(
    index: Tensor,
    train: PackedGraphs,
    logits_of: Callable[[Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
) -> Tensor | None:
    """Make one step on the graphs of these numbers (B,); return the loss (), None of no step."""
    # Batch normalisation learns from two nodes at least. The order differs in each epoch, so the
    # graph that is left out differs too.
    if index.numel() < 3 and int(train.sizes[index].sum()) < 2:
        return None
    loss = cross_entropy(logits_of(index), train.y[index.to(train.device)])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def _let_fall(optimizer: torch.optim.Optimizer, waited: int, settings: Training) -> None:
    """Lower the learning rate where it is time, after so many epochs without a new lowest loss."""
    if settings.decay_after and waited and waited % settings.decay_after == 0:
        for group in optimizer.param_groups:
            group["lr"] *= settings.decay


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
