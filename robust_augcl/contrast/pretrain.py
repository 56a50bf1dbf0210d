"""Contrastive pretraining in three stages.

The stages are the warm-up, the fit of the weights, and the training that goes on from there,
weighted or plain.

Letters: B graphs in a batch, D embedding.
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
from robust_augcl.models.encoder_base import Encoder
from robust_augcl.models.layers import glorot, mlp, torch_default
from robust_augcl.progress import Report, silent
from robust_augcl.seeds import spawn
from robust_augcl.validation import require_not_negative, require_positive


@dataclass(frozen=True)
class Pretraining:
    """Settings of contrastive pretraining.

    Args:
        base: where second views come from; the first view is the graph itself. "graphcl": one of
            `augmentations`, drawn for each graph. "simgrace": the same graph through a perturbed
            encoder; `augmentations` then has no effect.
        warm_up_epochs: epochs of plain contrastive training, which all methods of a suite share.
        continued_epochs: epochs that follow, weighted or plain. A baseline sees the same batches
            and views as a weighted method.
        batch_size: graphs in a batch, at least 2. The last batch may be smaller.
        learning_rate: of Adam, which goes on from the warm-up with its state.
        temperature: of the loss.
        positive_in_denominator: whether the positive stands in the loss's denominator too.
        directions: "one": the graphs are the anchors, and their second views are what they are
            compared with. "both": the mean of this and the reverse.
        augmentations: of the second view.
        perturbation: the noise of the perturbed encoder, as a multiple of each tensor's standard
            deviation.
        projection_init: the initial weights of the projection head: "glorot" (with biases 0), or
            "default" (PyTorch's own).
        reshuffle: whether batches are drawn anew in each epoch. If not, they are drawn once.

    Raises:
        ValueError: a value is out of range.

    >>> settings = Pretraining(temperature=0.5, batch_size=50)
    >>> settings.loss
    LossSettings(temperature=0.5, positive_in_denominator=True, directions='one')
    >>> Pretraining(batch_size=1)
    Traceback (most recent call last):
    ValueError: Expected `batch_size` to be at least 2, got 1
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
        """The part of the settings that every loss needs."""
        return LossSettings(self.temperature, self.positive_in_denominator, self.directions)


class ContrastiveModel(nn.Module):
    """An encoder and a projection head of two linear layers, D - D - D, with relu between them.

    Args:
        encoder: embeds graphs into (B, D).
        settings: `projection_init` is read.
        generator: the source of the head's initial weights.
    """

    def __init__(self, encoder: Encoder, settings: Pretraining, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = encoder
        size = encoder.embedding_size
        initialise = glorot if settings.projection_init == "glorot" else torch_default
        self.projection = mlp([size, size, size], generator, initialise)

    def forward(self, graphs: PackedGraphs) -> Tensor:
        """Return the projections (B, D) of packed graphs."""
        out: Tensor = self.projection(self.encoder.embed(graphs))
        return out


class Batch(NamedTuple):
    """A batch of graphs.

    Args:
        graphs: the graphs themselves.
        view: a second view of each.
        numbers: their numbers in the training set (B,).
    """

    graphs: PackedGraphs
    view: View
    numbers: Tensor


class Batches:
    """Passes over a training set: each batch holds graphs and a second view of each.

    Order and views come from the generators alone, so two methods with equal generators see the
    same ones.

    Args:
        graphs: the training set.
        settings: batch size, base and augmentations are read.
        generator: the source of order and views.
        order: the source of an order that is drawn once (`reshuffle` is False), so that several
            stages can share it. None: `generator` is the source.
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
    """Minimise an objective, and return the mean loss of each epoch.

    The encoder and the head are changed in place. The objective must be fitted; None stands for
    plain InfoNCE.

    >>> from torch_geometric.data import Data
    >>> from robust_augcl.models.optimizer import adam
    >>> from robust_augcl.registry import load
    >>> def seeded(seed):
    ...     return torch.Generator().manual_seed(seed)
    >>> path = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])
    >>> graph = Data(x=torch.ones(4, 1), edge_index=path, y=torch.tensor([0]))
    >>> graphs = PackedGraphs.from_data_list([graph] * 6)
    >>> encoder = load("encoder", "gcn")(in_features=1, width=4, layers=2, generator=seeded(0))
    >>> settings = Pretraining(batch_size=3)
    >>> model = ContrastiveModel(encoder, settings, seeded(1))
    >>> batches = Batches(graphs, settings, seeded(2))
    >>> len(contrastive_training(model, adam(model, 0.001), batches, settings, epochs=2))
    2
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
            total += float(loss.detach()) * graphs.num_graphs
            count += graphs.num_graphs
        losses.append(total / max(count, 1))
        report((epoch + 1) / epochs, f"contrastive loss {losses[-1]:.3f}")
    return losses


def embedded(model: ContrastiveModel, batches: Batches) -> Iterator[Embedded]:
    """Yield the embeddings of each batch of one pass, by the model in evaluation mode.

    They carry no gradients.
    """
    model.eval()
    for graphs, view, numbers in batches:
        with torch.no_grad():
            z1, z2 = model(graphs), embed_view(model, view)
        # Outside of `no_grad`: the consumer's own training, which runs now, needs gradients.
        yield Embedded(z1, z2, numbers)


def fit_objective(
    objective: Objective,
    model: ContrastiveModel,
    batches: Batches,
    generator: torch.Generator,
    report: Report = silent,
) -> None:
    """Fit an objective on the embeddings of a model in evaluation mode.

    The model's weights are not changed.
    """
    objective.fit(lambda: embedded(model, batches), generator, report)
