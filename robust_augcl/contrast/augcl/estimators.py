"""Estimators of affinity uncertainty: what says how unsure it is to which cluster a negative
belongs.

Letters: B graphs in a batch, D embedding, P pairs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from robust_augcl.contrast.augcl.calibration import Calibration
from robust_augcl.contrast.augcl.pair_pass import PairLoss, PairPass
from robust_augcl.contrast.augcl.partition import PartitionName, make_partition
from robust_augcl.contrast.augcl.uncertainty import (
    EstimatorName,
    NetworkName,
    PairNetwork,
    check_reward,
    cluster_loss,
    distance_uncertainty,
    from_logits,
    gamblers_loss,
)
from robust_augcl.contrast.losses import cosine_similarities
from robust_augcl.contrast.weighting import Alpha, HardnessWeighter, PairViews, Weights, scaled
from robust_augcl.progress import Report, silent
from robust_augcl.validation import require_not_negative, require_positive


@dataclass(frozen=True)
class AffinitySettings:
    """AUGCL's choices. The defaults are those of its code, but for an exact partition.

    Args:
        partition: "two_means" of the similarities, exact; "k_means" of embeddings relative to the
            anchor; "spectral".
        uncertainty: "deep_gamblers", "softmax_response", "entropy" (of a network fitted to the
            partition), or "distance" (none).
        reward: o of the Deep Gamblers loss, above 1 and at most 2.
        beta: of the distance-based uncertainty; it matters only with a fixed alpha or a delta.
        alpha: "row_mean": 1 over the mean of an anchor's uncertainties; "batch_mean": over that of
            the batch; a number; "inverse_mean_minus", "inverse_mean_plus": 1 / mean -+ delta.
        delta: see alpha.
        pair_input: "raw": the network sees the projections as they are, as published; "scaled":
            divided by their mean length; "unit": each by its own, which leaves what similarities
            are made of. Raw projections of a GIN are so large that the reservation takes everything
            in one pass.
        warm_passes: over the data before them, with the cross-entropy of the two clusters alone, so
            that "deep_gamblers" has something to bet on before it may reserve (Deep Gamblers, arXiv
            1907.00208, pretrains so; AUGCL does not).
        passes: over the data, to fit the network.
        hidden: width of its two hidden layers.
        learning_rate: of its Adam.
        pairs_a_batch: pairs in one of its steps.

    Raises:
        ValueError: a value out of range.
    """

    partition: PartitionName = "two_means"
    uncertainty: EstimatorName = "deep_gamblers"
    reward: float = 1.9
    beta: float = 1.0
    alpha: Alpha | float = "row_mean"
    delta: float = 0.0
    pair_input: Literal["raw", "scaled", "unit"] = "raw"
    warm_passes: int = 0
    passes: int = 10
    hidden: int = 128
    learning_rate: float = 0.01
    pairs_a_batch: int = 2048

    def __post_init__(self) -> None:
        check_reward(self.reward)
        require_positive(self, "passes", "hidden", "learning_rate", "pairs_a_batch", "beta")
        require_not_negative(self, "delta", "warm_passes")
        if self.warm_passes and self.uncertainty != "deep_gamblers":
            raise ValueError(
                f"Expected `warm_passes` to be 0 with `uncertainty` {self.uncertainty!r}, got "
                f"{self.warm_passes}"
            )
        if not isinstance(self.alpha, str):
            require_positive(self, "alpha")


class AffinityUncertainty(HardnessWeighter):
    """AUGCL's weights (arXiv 2301.13340): alpha times the uncertainty of a pair's cluster.

    Args:
        embedding_size: D.
        settings: see there.
        generator: the source of the network's initial weights.
        device: of the network.
    """

    measure: ClassVar[str] = "uncertainty"

    def __init__(
        self,
        embedding_size: int,
        settings: AffinitySettings,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        self.settings = settings
        self.model: NetworkEstimator | None = None
        if settings.uncertainty != "distance":
            self.model = NetworkEstimator(
                embedding_size, settings, settings.uncertainty, generator, device
            )

    def fit(self, views: PairViews, generator: torch.Generator, report: Report = silent) -> None:
        if self.model is not None:
            self.model.fit(views, generator, report)

    def weigh(self, z1: Tensor, z2: Tensor, similarity: Tensor) -> Weights:
        return scaled(
            self.uncertainty(z1, z2, similarity), self.settings.alpha, self.settings.delta
        )

    @torch.no_grad()
    def uncertainty(self, z1: Tensor, z2: Tensor, similarity: Tensor) -> Tensor:
        if self.model is not None:
            return self.model(z1, z2)
        return distance_uncertainty(
            similarity,
            make_partition(self.settings.partition, z1, z2, similarity),
            self.settings.beta,
        )

    @property
    def notes(self) -> list[str]:
        return [] if self.model is None else self.model.notes

    @property
    def info(self) -> dict[str, Any]:
        return {} if self.model is None else self.model.info


class NetworkEstimator:
    """A pair network fitted to the partition, and the uncertainty that it speaks of.

    Deep Gamblers has three outputs and its own loss; the other two have two outputs and
    cross-entropy.
    """

    def __init__(
        self,
        embedding_size: int,
        settings: AffinitySettings,
        name: NetworkName,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        self.settings = settings
        self.name: NetworkName = name
        self.reward = settings.reward if name == "deep_gamblers" else None
        self.network = PairNetwork(
            embedding_size, settings.hidden, generator, outputs=2 if self.reward is None else 3
        ).to(device)
        self.scale = 1.0
        self.losses: list[float] = []
        self.calibration: Calibration | None = None

    def fit(self, views: PairViews, generator: torch.Generator, report: Report = silent) -> None:
        """Fit to passes over the data, then look at one more: how good is it on views that it has
        not seen?
        """
        if self.settings.pair_input == "scaled":
            self.scale = _mean_length(views)
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.settings.learning_rate)
        warm, passes = self.settings.warm_passes, self.settings.passes
        for number in range(warm + passes):
            criterion = self.loss if number >= warm else cluster_loss
            total, count = 0.0, 0
            for z1, z2 in views():
                labels = self._labels(z1, z2)
                total += (
                    self.fit_batch(*self._inputs(z1, z2), labels, optimizer, generator, criterion)
                    * labels.numel()
                )
                count += labels.numel()
            mean = total / max(count, 1)
            if number >= warm:
                self.losses.append(mean)
            report((number + 1) / (warm + passes), f"uncertainty loss {mean:.3f}")
        self.calibration = self._look(views)

    def fit_batch(
        self,
        z1: Tensor,
        z2: Tensor,
        labels: Tensor,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
        criterion: PairLoss | None = None,
    ) -> float:
        """Steps over all pairs of a batch, in random order: z1, z2 (B, D), labels (B * B,); return
        the mean loss.

        `criterion` is `loss` if None.
        """
        passing = PairPass(
            self.network,
            self.loss if criterion is None else criterion,
            min(self.settings.pairs_a_batch, labels.numel()),
        )
        total = 0.0
        order = torch.randperm(labels.numel(), generator=generator).to(z1.device)
        shuffled = (order // z1.size(0), order % z1.size(0), labels[order])
        for anchor, view, label in zip(
            *(part.split(self.settings.pairs_a_batch) for part in shuffled), strict=True
        ):
            total += float(passing(z1, z2, anchor, view, label)) * label.numel()
            optimizer.step()
        return total / max(labels.numel(), 1)

    def loss(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss of pairs and its gradient: (P, outputs), (P,) -> (), (P, outputs)."""
        return (
            cluster_loss(logits, labels)
            if self.reward is None
            else gamblers_loss(logits, labels, self.reward)
        )

    @torch.no_grad()
    def __call__(self, z1: Tensor, z2: Tensor) -> Tensor:
        """u_ij of all pairs: (B, D), (B, D) -> (B, B)."""
        return from_logits(self.name, self.network.logits(*self._inputs(z1, z2)))

    @property
    def notes(self) -> list[str]:
        found = self.calibration
        if found is None or not found.underfit:
            return []
        return [
            f"the uncertainty model is underfit: its loss is {found.loss:.2f}, that of a "
            f"constant answer {found.constant_loss:.2f}; "
            f"it names a cluster for {100 * found.coverage:.0f} % of the pairs"
        ]

    @property
    def info(self) -> dict[str, Any]:
        calibration = (
            None
            if self.calibration is None
            else {k: v and round(v, 6) for k, v in asdict(self.calibration).items()}
        )
        return {
            "uncertainty_losses": [round(loss, 6) for loss in self.losses],
            "calibration": calibration,
        }

    def _inputs(self, z1: Tensor, z2: Tensor) -> tuple[Tensor, Tensor]:
        if self.settings.pair_input == "unit":
            return normalize(z1, dim=1), normalize(z2, dim=1)
        return (z1, z2) if self.scale == 1 else (z1 / self.scale, z2 / self.scale)

    def _labels(self, z1: Tensor, z2: Tensor) -> Tensor:
        return make_partition(
            self.settings.partition, z1, z2, cosine_similarities(z1, z2)
        ).flatten()

    @torch.no_grad()
    def _look(self, views: PairViews) -> Calibration | None:
        logits, labels = [], []
        for z1, z2 in views():
            labels.append(self._labels(z1, z2))
            logits.append(self.network.logits(*self._inputs(z1, z2)).flatten(0, 1))
        if not labels:
            return None
        answers, truth = torch.cat(logits), torch.cat(labels)
        return Calibration.of(float(self.loss(answers, truth)[0]), answers, truth, self.reward)


def _mean_length(views: PairViews) -> float:
    """Of the embeddings of one pass; 1 where there are none, or none of any length."""
    lengths = [z.norm(dim=1) for pair in views() for z in pair]
    mean = float(torch.cat(lengths).mean()) if lengths else 0.0
    return mean if mean > 0 else 1.0
