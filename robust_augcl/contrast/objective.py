"""What contrastive training minimises: the seam between the base (where views come from) and a
method.

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
from robust_augcl.contrast.weighting import HardnessWeighter, WeightStatistics
from robust_augcl.progress import Report, silent
from robust_augcl.validation import require_positive


class Embedded(NamedTuple):
    """A batch as a method sees it before it trains: z1, z2 (B, D), detached, and the graphs'
    numbers (B,).
    """

    z1: Tensor
    z2: Tensor
    numbers: Tensor


Views = Callable[[], Iterator[Embedded]]
"""One pass over the data, its views drawn anew."""


@dataclass(frozen=True)
class LossSettings:
    """What every loss needs.

    Args:
        temperature: of the similarities.
        positive_in_denominator: whether the positive stands in the loss's denominator too.
        directions: "one": graphs are anchors, second views the candidates; "both": the mean of this
            and the reverse.

    Raises:
        ValueError: a value out of range.
    """

    temperature: float = 0.2
    positive_in_denominator: bool = True
    directions: Literal["one", "both"] = "one"

    def __post_init__(self) -> None:
        require_positive(self, "temperature")


class Objective(ABC):
    """A loss with whatever a method needs to compute it.

    Class attributes:
        learns: whether `fit` reads its views; otherwise none are drawn.
    """

    learns: bool = False

    def fit(self, views: Views, generator: torch.Generator, report: Report = silent) -> None:  # noqa: B027 (nothing is the default)
        """Learn from the embeddings of the warm-up's model in evaluation mode; all chance comes
        from `generator`.
        """

    def begin(self, model: nn.Module) -> None:  # noqa: B027
        """Training of `model` begins."""

    def parameters(self) -> list[nn.Parameter]:
        """Parameters of the objective's own, trained along with the model's."""
        return []

    def key_model(self, model: nn.Module) -> nn.Module:
        """The model that embeds second views, by default the one that is trained."""
        return model

    @abstractmethod
    def loss(self, z1: Tensor, z2: Tensor, numbers: Tensor) -> Tensor:
        """The loss of a batch: z1, z2 (B, D), the graphs' numbers (B,) -> ()."""

    def after_step(self, model: nn.Module) -> None:  # noqa: B027
        """An optimisation step was made."""

    def pair_weights(self, z1: Tensor, z2: Tensor) -> Tensor | None:
        """What each in-batch negative's term is multiplied by in the loss, (B, B), the diagonal
        unused; None: there are no such terms.
        """
        return None

    def uncertainty(self, z1: Tensor, z2: Tensor) -> Tensor | None:
        """u_ij (B, B), where the method has one."""
        return None

    @property
    def notes(self) -> list[str]:
        """What a reader of the results should know, e.g. of a collapsed model."""
        return []

    @property
    def info(self) -> dict[str, Any]:
        """What was learnt before training, as JSON."""
        return {}


class PairObjective(Objective):
    """An objective that is a function of the similarities of anchors and views."""

    def __init__(self, settings: LossSettings) -> None:
        self.settings = settings

    @abstractmethod
    def pair_loss(self, similarity: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
        """The loss in one direction, anchors z1: similarity (B, B), z1 and z2 (B, D) detached ->
        ().
        """

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
    """InfoNCE, each negative weighted by a `HardnessWeighter` (None: all 1)."""

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

    def pair_weights(self, z1: Tensor, z2: Tensor) -> Tensor | None:
        return super().pair_weights(z1, z2) if self.weighter is None else self.weighter(z1, z2)

    def uncertainty(self, z1: Tensor, z2: Tensor) -> Tensor | None:
        return (
            None
            if self.weighter is None
            else self.weighter.uncertainty(z1, z2, cosine_similarities(z1, z2))
        )

    @property
    def notes(self) -> list[str]:
        return [] if self.weighter is None else [*self.weighter.notes, *self.statistics.notes]

    @property
    def info(self) -> dict[str, Any]:
        return {} if self.weighter is None else {**self.weighter.info, **self.statistics.info}
