"""What contrastive training minimises.

An objective stands between a base, which says where views come from, and a method.

Letters: B graphs in a batch, D embedding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from robust_augcl.contrast.losses import cosine_similarities, info_nce_of
from robust_augcl.contrast.row_losses import info_nce_rows
from robust_augcl.contrast.rows import Rows
from robust_augcl.contrast.weighting import HardnessWeighter, WeightStatistics
from robust_augcl.errors import InputError
from robust_augcl.progress import Report, silent
from robust_augcl.validation import require_positive


class Embedded(NamedTuple):
    """A batch as a method sees it before it trains.

    Args:
        z1, z2: the embeddings of the graphs and of their second views (B, D), detached.
        numbers: the graphs' numbers in the training set (B,).
    """

    z1: Tensor
    z2: Tensor
    numbers: Tensor


Views = Callable[[], Iterator[Embedded]]
"""Makes one pass over the data; each pass draws its views anew."""


@dataclass(frozen=True)
class LossSettings:
    """What every loss needs.

    Args:
        temperature: what similarities are divided by.
        positive_in_denominator: whether the positive stands in the loss's denominator too.
        directions: "one": the graphs are the anchors, and their second views are what they are
            compared with. "both": the mean of this and the reverse.

    Raises:
        ValueError: a value is out of range.

    >>> LossSettings(temperature=0.5).directions
    'one'
    """

    temperature: float = 0.2
    positive_in_denominator: bool = True
    directions: Literal["one", "both"] = "one"

    def __post_init__(self) -> None:
        require_positive(self, "temperature")


class Objective(ABC):
    """A loss, with whatever a method needs to compute it.

    Class attributes:
        learns: whether `fit` reads its views. If it does not, none are drawn.
    """

    learns: bool = False

    def fit(  # noqa: B027 (by default there is nothing to learn)
        self, views: Views, generator: torch.Generator, report: Report = silent
    ) -> None:
        """Learn from the embeddings of the warm-up's model in evaluation mode.

        All chance comes from `generator`.
        """

    def begin(self, model: nn.Module) -> None:  # noqa: B027
        """Prepare for the training of `model`, which begins now."""

    def parameters(self) -> list[nn.Parameter]:
        """Return the objective's own parameters, which are trained along with the model's."""
        return []

    def key_model(self, model: nn.Module) -> nn.Module:
        """Return the model that embeds second views: by default the one that is trained."""
        return model

    @abstractmethod
    def loss(self, z1: Tensor, z2: Tensor, numbers: Tensor) -> Tensor:
        """Return the loss of a batch.

        Shapes: z1 (B, D), z2 (B, D), the graphs' numbers (B,) -> ().
        """

    def after_step(self, model: nn.Module) -> None:  # noqa: B027
        """Do what follows each optimisation step."""

    def pair_weights(self, z1: Tensor, z2: Tensor) -> Tensor | None:
        """Return what each negative's term in the loss is multiplied by.

        The answer is None if the loss has no such terms.

        Shapes: z1 (B, D), z2 (B, D) -> (B, B), whose diagonal is not used.
        """
        return None

    def uncertainty(self, z1: Tensor, z2: Tensor) -> Tensor | None:
        """Return u_ij (B, B), or None if the method has no uncertainty."""
        return None

    @property
    def notes(self) -> list[str]:
        """What a reader of the results should know, for example that a network collapsed."""
        return []

    @property
    def info(self) -> dict[str, Any]:
        """What was learned before training, as JSON."""
        return {}


class PairObjective(Objective):
    """An objective that is a function of the similarities of anchors and views."""

    def __init__(self, settings: LossSettings) -> None:
        self.settings = settings

    @abstractmethod
    def pair_loss(self, similarity: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
        """Return the loss in one direction, where the anchors are those of z1.

        Shapes: similarity (B, B), z1 (B, D) and z2 (B, D), both detached -> ().
        """

    def row_losses(self, rows: Rows) -> Tensor:
        """Return the loss of each anchor of some rows: as `Rows` -> (R,).

        Raises:
            InputError: a loss that needs all anchors at once.
        """
        raise InputError(
            f"Expected a method whose loss can be taken for some nodes at a time, got one with the "
            f"loss {type(self).__name__}: it is for graphs alone"
        )

    def loss(self, z1: Tensor, z2: Tensor, numbers: Tensor) -> Tensor:
        similarity = cosine_similarities(z1, z2)
        fixed1, fixed2 = z1.detach(), z2.detach()
        loss = self.pair_loss(similarity, fixed1, fixed2)
        if self.settings.directions == "both":
            loss = (loss + self.pair_loss(similarity.T, fixed2, fixed1)) / 2
        return loss

    def pair_weights(self, z1: Tensor, z2: Tensor) -> Tensor | None:
        return torch.ones(z1.size(0), z1.size(0), device=z1.device)


class InfoNCE(PairObjective):
    """InfoNCE, where a `HardnessWeighter` says how much each negative counts.

    Without a weighter all weights are 1.

    >>> objective = InfoNCE(LossSettings(temperature=0.5))
    >>> z = torch.eye(2)
    >>> round(float(objective.loss(z, z, torch.arange(2))), 4)
    0.1269
    """

    def __init__(self, settings: LossSettings, weighter: HardnessWeighter | None = None) -> None:
        super().__init__(settings)
        self.weighter = weighter
        self.learns = weighter is not None
        self.statistics = (
            WeightStatistics() if weighter is None else WeightStatistics(weighter.measure)
        )

    def fit(self, views: Views, generator: torch.Generator, report: Report = silent) -> None:
        if self.weighter is not None:
            self.weighter.fit(lambda: ((z1, z2) for z1, z2, _ in views()), generator, report)

    def pair_loss(self, similarity: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
        weight = None
        if self.weighter is not None:
            with torch.no_grad():
                weights = self.weighter.weigh(z1, z2, similarity.detach())
                self.statistics.add(weights, similarity.detach())
            weight = weights.weight
        settings = self.settings
        return info_nce_of(
            similarity,
            temperature=settings.temperature,
            weight=weight,
            positive_in_denominator=settings.positive_in_denominator,
        )

    def row_losses(self, rows: Rows) -> Tensor:
        weight = None
        if self.weighter is not None:
            with torch.no_grad():
                weights = self.weighter.weigh_rows(rows)
                self.statistics.add(weights, rows.inter.detach(), rows.own)
            weight = weights.weight
        return info_nce_rows(
            rows,
            temperature=self.settings.temperature,
            weight=weight,
            positive_in_denominator=self.settings.positive_in_denominator,
        )

    def pair_weights(self, z1: Tensor, z2: Tensor) -> Tensor | None:
        return super().pair_weights(z1, z2) if self.weighter is None else self.weighter(z1, z2)

    def uncertainty(self, z1: Tensor, z2: Tensor) -> Tensor | None:
        if self.weighter is None:
            return None
        return self.weighter.uncertainty(z1, z2, cosine_similarities(z1, z2))

    @property
    def notes(self) -> list[str]:
        return [] if self.weighter is None else [*self.weighter.notes, *self.statistics.notes]

    @property
    def info(self) -> dict[str, Any]:
        return {} if self.weighter is None else {**self.weighter.info, **self.statistics.info}
