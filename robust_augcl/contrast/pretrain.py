"""Contrastive pretraining in stages: warm-up, fitting the weights, and training on from there,
weighted or plain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from robust_augcl.contrast.augment import Augmentation, augment
from robust_augcl.contrast.objective import Embedded, InfoNCE, LossSettings, Objective
from robust_augcl.contrast.views import PerturbedView, View, embed_view
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.encoder_base import Encoder, glorot, mlp, torch_default
from robust_augcl.progress import Report, silent
from robust_augcl.seeds import spawn
from robust_augcl.validation import require_not_negative, require_positive


@dataclass(frozen=True)
class Pretraining:
    """Settings of contrastive pretraining.

    Args:
        base: where second views come from; the first is the graph itself. "graphcl": an
            augmentation, one of `augmentations` drawn for each graph; "simgrace": the same graph
            through a perturbed encoder, `augmentations` then being of no use.
        warm_up_epochs: of plain contrastive training, shared by every method of a suite.
        continued_epochs: as many again, weighted or plain; a baseline sees the same batches and
            views as a weighted method.
        batch_size: graphs a batch; the last may be smaller.
        learning_rate: of Adam, which goes on from the warm-up with its state.
        temperature: of the loss.
        positive_in_denominator: whether the positive stands in the loss's denominator too.
        directions: "one": graphs are anchors and second views candidates; "both": the mean of this
            and the reverse.
        augmentations: of the second view.
        perturbation: noise of the perturbed encoder, as a multiple of each tensor's standard
            deviation.
        projection_init: initial weights of the projection head, "glorot" (zero biases) or "default"
            (PyTorch's own).
        reshuffle: draw the batches anew in each epoch; else once.

    Raises:
        ValueError: a value out of range.
    """

    base: Literal["graphcl", "simgrace"] = "graphcl"
    warm_up_epochs: int = 20
    continued_epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 0.001
    temperature: float = 0.2
    positive_in_denominator: bool = True
    directions: Literal["one", "both"] = "one"
    augmentations: tuple[Augmentation, ...] = (Augmentation("node_drop", 0.2),)
    perturbation: float = 1.0
    projection_init: Literal["glorot", "default"] = "glorot"
    reshuffle: bool = False

    def __post_init__(self) -> None:
        require_not_negative(self, "warm_up_epochs", "continued_epochs")
        if self.batch_size < 2:
            raise ValueError(f"Expected `batch_size` to be at least 2, got {self.batch_size}")
        require_positive(self, "learning_rate", "temperature", "perturbation")
        if not self.augmentations:
            raise ValueError("Expected `augmentations` to name at least one, got none")

    @property
    def loss(self) -> LossSettings:
        """The part that every loss needs."""
        return LossSettings(self.temperature, self.positive_in_denominator, self.directions)


class ContrastiveModel(nn.Module):
    """An encoder and a projection head D - D - D with relu."""

    def __init__(self, encoder: Encoder, settings: Pretraining, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = encoder
        size = encoder.embedding_size
        initialise = glorot if settings.projection_init == "glorot" else torch_default
        self.projection = mlp([size, size, size], generator, initialise)

    def forward(self, graphs: PackedGraphs) -> Tensor:
        """Projections (B, D)."""
        out: Tensor = self.projection(self.encoder.embed(graphs))
        return out


class Batch(NamedTuple):
    """Graphs, a second view of each, and their numbers in the training set (B,)."""

    graphs: PackedGraphs
    view: View
    numbers: Tensor


class Batches:
    """Passes over a training set: for each batch its graphs and a second view of each.

    Order and views come from the generators alone, so two methods with equal generators see the
    same ones. `order` is the source of an order that is drawn once (`reshuffle` off), so that
    several stages can share it.
    """

    def __init__(
        self,
        graphs: PackedGraphs,
        settings: Pretraining,
        generator: torch.Generator,
        order: torch.Generator | None = None,
    ) -> None:
        self._graphs, self._settings = graphs, settings
        self._order_generator, self._view_generator = spawn(generator), spawn(generator)
        if order is not None and not settings.reshuffle:
            self._order_generator = order
        self._order = self._shuffled()
        self._fresh = True

    def _shuffled(self) -> Tensor:
        return torch.randperm(self._graphs.num_graphs, generator=self._order_generator)

    def __iter__(self) -> Iterator[Batch]:
        if self._settings.reshuffle and not self._fresh:
            self._order = self._shuffled()
        self._fresh = False
        for index in self._order.split(self._settings.batch_size):
            if index.numel() < 2:
                continue  # a single graph has no negatives
            graphs = self._graphs.select(index)
            yield Batch(graphs, self._view(graphs), index.to(graphs.device))

    def _view(self, graphs: PackedGraphs) -> View:
        settings, generator = self._settings, self._view_generator
        if settings.base == "simgrace":
            return PerturbedView(
                graphs, settings.perturbation, int(torch.randint(2**62, (), generator=generator))
            )
        return augment(graphs, settings.augmentations, generator)


def contrastive_training(
    model: ContrastiveModel,
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    settings: Pretraining,
    epochs: int,
    objective: Objective | None = None,
    report: Report = silent,
) -> list[float]:
    """Minimise `objective` (None: plain InfoNCE); return the mean loss of each epoch.

    The objective must be fitted. The encoder and head are changed in place.
    """
    objective = InfoNCE(settings.loss) if objective is None else objective
    objective.begin(model)
    if own := objective.parameters():
        optimizer.add_param_group({"params": own})
    model.train()
    losses = []
    for epoch in range(epochs):
        total, count = 0.0, 0
        for graphs, view, numbers in batches:
            loss = objective.loss(
                model(graphs), embed_view(objective.key_model(model), view), numbers
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            objective.after_step(model)
            total, count = (
                total + float(loss.detach()) * graphs.num_graphs,
                count + graphs.num_graphs,
            )
        losses.append(total / max(count, 1))
        report((epoch + 1) / epochs, f"contrastive loss {losses[-1]:.3f}")
    return losses


def embedded(model: ContrastiveModel, batches: Batches) -> Iterator[Embedded]:
    """One pass: the embeddings of each batch by the model in evaluation mode, without gradients."""
    model.eval()
    for graphs, view, numbers in batches:
        with torch.no_grad():
            z1, z2 = model(graphs), embed_view(model, view)
        yield Embedded(
            z1, z2, numbers
        )  # outside, or the consumer's own training would run without gradients


def fit_objective(
    objective: Objective,
    model: ContrastiveModel,
    batches: Batches,
    generator: torch.Generator,
    report: Report = silent,
) -> None:
    """Fit an objective on the embeddings of a model in evaluation mode; the model is not
    changed.
    """
    objective.fit(lambda: embedded(model, batches), generator, report)
