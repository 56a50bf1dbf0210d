"""What a stage of pretraining trains on: batches of graphs, or all nodes of one graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from robust_augcl.contrast.node_pretrain import (
    NodeBatches,
    NodeContrastiveModel,
    NodePretraining,
    embedded_nodes,
    node_training,
    passes,
)
from robust_augcl.contrast.objective import Embedded, Objective
from robust_augcl.contrast.pretrain import (
    Batches,
    ContrastiveModel,
    Pretraining,
    contrastive_training,
    embedded,
    fit_objective,
)
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.models.optimizer import adam
from robust_augcl.progress import Report
from robust_augcl.seeds import generator
from robust_augcl.steps.artifacts import new_encoder

_LOOKED_AT = 4
"""Batches of nodes that a diagnosis looks at."""


class Stages(ABC):
    """A model with its optimizer, and the stages of its pretraining.

    Attributes:
        pretraining: the settings.
        model: an encoder with a projection head, with initial weights at first.
        optimizer: of the model's parameters.
        labels: the class of each thing that is contrasted, for the diagnosis alone.
    """

    pretraining: Pretraining | NodePretraining
    model: ContrastiveModel | NodeContrastiveModel
    optimizer: torch.optim.Adam
    labels: Tensor

    @abstractmethod
    def train(self, stage: str, epochs: int, objective: Objective, report: Report) -> list[float]:
        """Minimise an objective, and return the mean loss of each epoch."""

    @abstractmethod
    def fit(self, objective: Objective, chance: torch.Generator, report: Report) -> None:
        """Fit an objective on embeddings of the model in evaluation mode."""

    @abstractmethod
    def last_look(self) -> Iterable[Embedded]:
        """The embedded batches that the diagnosis looks at."""


class _OfGraphs(Stages):
    def __init__(
        self, settings: Mapping[str, Any], dataset: Dataset, pretraining: Pretraining, device: str
    ) -> None:
        self._seed, self.pretraining = settings["seed"], pretraining
        everything = settings["graphs"] == "all"
        graphs = dataset.graphs if everything else dataset.part(dataset.train)
        self._graphs = graphs.to(device)
        self.labels = self._graphs.y
        self.model: ContrastiveModel = ContrastiveModel(
            new_encoder(settings, graphs.x.size(1)),
            pretraining,
            generator("projection", self._seed),
        ).to(device)
        self.optimizer = adam(self.model, pretraining.learning_rate)
        self._settings = pretraining

    def _batches(self, stage: str) -> Batches:
        order = generator("order", self._seed)  # of all stages, where it is drawn once
        chance = generator("batches", stage, self._seed)
        return Batches(self._graphs, self._settings, chance, order)

    def train(self, stage: str, epochs: int, objective: Objective, report: Report) -> list[float]:
        return contrastive_training(
            self.model,
            self.optimizer,
            self._batches(stage),
            self._settings,
            epochs,
            objective,
            report,
        )

    def fit(self, objective: Objective, chance: torch.Generator, report: Report) -> None:
        fit_objective(objective, self.model, self._batches("weighter"), chance, report)

    def last_look(self) -> Iterable[Embedded]:
        return embedded(self.model, self._batches("diagnosis"))


class _OfNodes(Stages):
    def __init__(
        self,
        settings: Mapping[str, Any],
        dataset: Dataset,
        pretraining: NodePretraining,
        device: str,
    ) -> None:
        self._seed, self.pretraining = settings["seed"], pretraining
        self._graph, self._settings = dataset.graphs.to(device), pretraining
        targets = dataset.targets_at(torch.arange(dataset.y.numel()))
        assert targets.node is not None  # the suite was checked for it
        labels = torch.full((dataset.graphs.num_nodes,), -1)
        labels[dataset.graphs.ptr[targets.graph] + targets.node] = targets.y
        self.labels = labels.to(device)
        self.model: NodeContrastiveModel = NodeContrastiveModel(
            new_encoder(settings, dataset.graphs.x.size(1)),
            pretraining,
            generator("projection", self._seed),
        ).to(device)
        self.optimizer = adam(self.model, pretraining.learning_rate, pretraining.weight_decay)

    def _batches(self, stage: str) -> NodeBatches:
        return NodeBatches(self._graph, self._settings, generator("batches", stage, self._seed))

    def train(self, stage: str, epochs: int, objective: Objective, report: Report) -> list[float]:
        batches = self._batches(stage)
        return node_training(self.model, self.optimizer, batches, epochs, objective, report)

    def fit(self, objective: Objective, chance: torch.Generator, report: Report) -> None:
        batches = self._batches("weighter")
        objective.fit(lambda: passes(self.model, batches), chance, report)

    def last_look(self) -> Iterable[Embedded]:
        found = embedded_nodes(self.model, self._batches("diagnosis"), most=_LOOKED_AT)
        for z1, z2, numbers in found:
            known = self.labels[numbers] >= 0  # a node that is no target has no class here
            if int(known.sum()) > 1:
                yield Embedded(z1[known], z2[known], numbers[known])


def stages_of(settings: Mapping[str, Any], dataset: Dataset, device: str) -> Stages:
    """The stages of a step's settings, with a new model."""
    pretraining: Pretraining | NodePretraining = settings["pretraining"]
    if isinstance(pretraining, NodePretraining):
        return _OfNodes(settings, dataset, pretraining, device)
    return _OfGraphs(settings, dataset, pretraining, device)
