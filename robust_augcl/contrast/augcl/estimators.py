"""Estimators of affinity uncertainty: how unsure a model is of the cluster of a negative.

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
from robust_augcl.contrast.rows import Rows
from robust_augcl.contrast.weighting import Alpha, HardnessWeighter, PairViews, Weights, scaled
from robust_augcl.errors import InputError
from robust_augcl.models.optimizer import adam
from robust_augcl.progress import Report, silent
from robust_augcl.validation import require_not_negative, require_positive


@dataclass(frozen=True)
class AffinitySettings:
    """AUGCL's choices. The defaults are those of its code, but the partition is exact.

    Args:
        partition: "two_means" of the similarities, exact; "k_means" of embeddings relative to the
            anchor; or "spectral".
        uncertainty: "deep_gamblers", "softmax_response" or "entropy", each of a network that is
            fitted to the partition; or "distance", which needs no network.
        reward: the o of the Deep Gamblers loss, above 1 and at most 2.
        beta: of the distance-based uncertainty. It matters only with a fixed alpha or a delta.
        alpha: "row_mean": 1 over the mean of an anchor's uncertainties. "batch_mean": 1 over the
            mean of the batch. "inverse_mean_minus", "inverse_mean_plus": 1 / mean - delta,
            1 / mean + delta. A number: that number.
        delta: see `alpha`.
        pair_input: "raw": the network sees the projections as they are, as published. "scaled":
            they are divided by their mean length. "unit": each is divided by its own length, which
            leaves what similarities are made of. Raw projections of a GIN are so large that the
            reservation takes everything in one pass.
        warm_passes: passes over the data before the others, with the cross-entropy of the two
            clusters alone. So "deep_gamblers" has something to bet on before it may reserve. Deep
            Gamblers (arXiv 1907.00208) pretrains so; AUGCL does not.
        passes: passes over the data, to fit the network.
        hidden: the width of the network's two hidden layers.
        learning_rate: of the network's Adam.
        pairs_a_batch: pairs in one of the network's steps.

    Raises:
        ValueError: a value is out of range.

    >>> AffinitySettings(uncertainty="distance", alpha=0.7).alpha
    0.7
    >>> AffinitySettings(reward=2.5)
    Traceback (most recent call last):
    ValueError: Expected `reward` to be above 1 and at most 2, got 2.5
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
        settings: AUGCL's choices.
        generator: the source of the network's initial weights.
        device: where the network computes.

    >>> generator = torch.Generator().manual_seed(0)
    >>> settings = AffinitySettings(passes=1, pairs_a_batch=16)
    >>> weighter = AffinityUncertainty(3, settings, generator)
    >>> z1, z2 = torch.randn(2, 8, 3, generator=generator)
    >>> weighter.fit(lambda: iter([(z1, z2)]), generator)
    >>> weight = weighter(z1, z2)
    >>> weight.shape, bool((weight >= 0).all())
    (torch.Size([8, 8]), True)
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

    def weigh_rows(self, rows: Rows) -> Weights:
        settings = self.settings
        if settings.alpha == "batch_mean":
            raise InputError(
                "Expected `alpha` to be of each anchor, or a number, where the anchors are nodes, "
                "got 'batch_mean'"
            )
        if self.model is not None:
            found = self.model(rows.z, rows.others)
        else:
            similarity = rows.inter.detach()
            labels = make_partition(
                settings.partition, rows.z, rows.others, similarity, own=rows.own
            )
            found = distance_uncertainty(similarity, labels, settings.beta)
        return scaled(found, settings.alpha, settings.delta, own=rows.own)

    @torch.no_grad()
    def uncertainty(self, z1: Tensor, z2: Tensor, similarity: Tensor) -> Tensor:
        if self.model is not None:
            return self.model(z1, z2)
        labels = make_partition(self.settings.partition, z1, z2, similarity)
        return distance_uncertainty(similarity, labels, self.settings.beta)

    @property
    def notes(self) -> list[str]:
        return [] if self.model is None else self.model.notes

    @property
    def info(self) -> dict[str, Any]:
        return {} if self.model is None else self.model.info


class NetworkEstimator:
    """A pair network that is fitted to the partition, and the uncertainty that it expresses.

    Deep Gamblers has three outputs and its own loss. The other two have two outputs and
    cross-entropy.

    Args:
        embedding_size: D.
        settings: AUGCL's choices.
        name: which uncertainty.
        generator: the source of the network's initial weights.
        device: where the network computes.
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
        """Fit the network to passes over the data, then look at one more pass.

        The last pass says how good the network is on views that it has not seen.
        """
        if self.settings.pair_input == "scaled":
            self.scale = _mean_length(views)
        optimizer = adam(self.network, self.settings.learning_rate)
        warm, passes = self.settings.warm_passes, self.settings.passes
        for number in range(warm + passes):
            # AUGCL, section 3.3: the loss of Deep Gamblers, on views and a partition drawn anew.
            criterion = self.loss if number >= warm else cluster_loss
            total, count = 0.0, 0
            for z1, z2 in views():
                labels = self._labels(z1, z2)  # section 3.2
                inputs = self._inputs(z1, z2)
                loss = self.fit_batch(*inputs, labels, optimizer, generator, criterion)
                total += loss * labels.numel()
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
        """Make steps over all pairs of a batch, in random order, and return the mean loss.

        Shapes: z1 (B, D), z2 (B, D), labels (B * B,).

        Args:
            z1, z2: the embeddings.
            labels: the partition, row by row.
            optimizer: of the network's parameters.
            generator: the source of the order.
            criterion: the loss with its gradient. None: `loss`.
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
        """Return the mean loss of pairs and its gradient in the logits.

        Shapes: logits (P, outputs), labels (P,) -> (), (P, outputs).
        """
        if self.reward is None:
            return cluster_loss(logits, labels)
        return gamblers_loss(logits, labels, self.reward)

    @torch.no_grad()
    def __call__(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Return u_ij of all pairs: (B, D), (B, D) -> (B, B)."""
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
        calibration = None
        if self.calibration is not None:
            calibration = {
                name: value and round(value, 6) for name, value in asdict(self.calibration).items()
            }
        return {
            "uncertainty_losses": [round(loss, 6) for loss in self.losses],
            "calibration": calibration,
        }

    def _inputs(self, z1: Tensor, z2: Tensor) -> tuple[Tensor, Tensor]:
        if self.settings.pair_input == "unit":
            return normalize(z1, dim=1), normalize(z2, dim=1)
        return (z1, z2) if self.scale == 1 else (z1 / self.scale, z2 / self.scale)

    def _labels(self, z1: Tensor, z2: Tensor) -> Tensor:
        similarity = cosine_similarities(z1, z2)
        return make_partition(self.settings.partition, z1, z2, similarity).flatten()

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
    """Return the mean length of the embeddings of one pass.

    It is 1 where there are no embeddings, or where all have the length 0.
    """
    lengths = [z.norm(dim=1) for pair in views() for z in pair]
    mean = float(torch.cat(lengths).mean()) if lengths else 0.0
    return mean if mean > 0 else 1.0
