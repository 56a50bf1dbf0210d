"""PRBCD (Geisler et al. 2021, arXiv 2110.14038): projected gradient ascent on blocks of edits.

Source: algorithm 1 of the paper. The weights of random blocks of edits are what the gradient moves.
The steps are those of PyTorch Geometric's `PRBCDAttack`, for graph classification and for many
graphs at once.

Letters: G graphs, C classes, W candidates of a block at the most, K edits of a graph at the most. A
block is a row of candidate numbers, -1 beyond its end. A weight between 0 and 1 says how much of an
edit is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from robust_augcl.adversary.attack_base import Attack, FitGraphs, Proposer, at_most, in_parts
from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.attacks._edit_sets import with_edits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.progress import Report, silent
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation
from robust_augcl.validation import require_not_negative, require_one_of, require_positive

_LEAST = 1e-7
"""The least weight: a weight of 0 would have no gradient in some models."""
_BISECTIONS = 40
"""Steps of the bisection in `project`: the interval shrinks to 2 ** -40 of its width."""


@dataclass(frozen=True)
class PRBCD(Attack):
    """Spread the budget over a random block of edits, follow the gradient, draw edits by weight.

    An epoch has four parts: a gradient step on the weights; the projection onto those that add up
    to the budget at the most; a look at the edits of the largest weights; a new draw of at least
    half of the block, those of small weight. After `resampling` epochs the block stays, the best
    block so far is taken up again, and steps get smaller. In the end edits are drawn with their
    weights as probabilities.

    The block holds only allowed candidates, so the threat model is kept. Departures from PyTorch
    Geometric: A block is drawn without replacement. The answer is the best of all edit sets that
    were looked at, the clean graph among them; there it is the best of the last draws, even if the
    clean graph was better. A graph is done when a set breaks it.

    Args:
        epochs: gradient steps.
        resampling: epochs in which the block is drawn anew.
        block_size: W. It is larger where the budget needs it, and smaller where a graph has fewer
            candidates.
        learning_rate: times budget / nodes, as published (there, 1,000 for probabilities).
        loss: what is to rise, a wrong class less the true one. "margin": of the logits.
            "prob_margin": of the probabilities. "tanh_margin": the hyperbolic tangent of that of
            the log-probabilities. Only the first has a gradient for graphs that the victim is sure
            of.
        targets: "each": every wrong class in turn, each with all epochs and samples. "nearest": the
            best wrong class of the moment, as published. Where edits push a graph away from its
            nearest wrong class, the second climbs nowhere.
        samples: final draws.

    Raises:
        ValueError: a value is out of its range.

    >>> PRBCD(epochs=40).brief().epochs
    20
    """

    access: ClassVar[Access] = Access.GRADIENT
    display_name: ClassVar[str] = "PRBCD"
    effort: ClassVar[str | None] = "epochs"
    paper: ClassVar[Mapping[str, Any]] = {
        "targets": "nearest",
        "loss": "prob_margin",
        "learning_rate": 1000.0,
    }

    epochs: int = 30
    resampling: int = 20
    block_size: int = 128
    learning_rate: float = 10.0
    loss: Literal["margin", "prob_margin", "tanh_margin"] = "margin"
    targets: Literal["each", "nearest"] = "each"
    samples: int = 20

    def __post_init__(self) -> None:
        require_positive(self, "epochs", "block_size", "learning_rate", "samples")
        require_not_negative(self, "resampling")
        require_one_of(self, "loss", tuple(SCORES))
        require_one_of(self, "targets", ("each", "nearest"))

    def brief(self) -> PRBCD:
        return at_most(self, epochs=20)

    def prepare(
        self,
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> Proposer:
        return in_parts(
            lambda graphs: _Ascent(self, victim, graphs.to(victim.device), threat, generator).run(),
            report,
        )


SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "margin": lambda logits: logits,
    "prob_margin": lambda logits: logits.softmax(1),
    "tanh_margin": lambda logits: logits.log_softmax(1),
}


def wrongness(loss: str, logits: Tensor, y: Tensor, target: Tensor | None = None) -> Tensor:
    """Return how far a wrong class is above the true one.

    The wrong class is `target` (G,), or the best one if there is no target.

    Shapes: logits (G, C), y (G,) -> (G,).

    >>> logits, y = torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([0])
    >>> wrongness("margin", logits, y).tolist()
    [2.0]
    >>> wrongness("margin", logits, y, target=torch.tensor([2])).tolist()
    [1.0]
    """
    score = SCORES[loss](logits)
    gap = -margins(score, y)
    if target is not None:
        gap = (score.gather(1, target.unsqueeze(1)) - score.gather(1, y.unsqueeze(1))).squeeze(1)
    return gap.tanh() if loss == "tanh_margin" else gap


class _Ascent:
    """The blocks of some graphs."""

    def __init__(
        self,
        attack: PRBCD,
        victim: VictimView,
        graphs: PackedGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
    ) -> None:
        self.attack, self.victim, self.graphs, self.generator = attack, victim, graphs, generator
        self.candidates = threat.enumerate(graphs)
        self.budgets = torch.minimum(threat.budgets(graphs), self.candidates.counts)
        widest = max(attack.block_size, 2 * int(self.budgets.max()))
        self.sizes = self.candidates.counts.clamp(max=widest)
        self.best = self.budgets.new_full((graphs.num_graphs, int(self.budgets.max())), -1)
        logits = victim.logits(graphs)
        self.best_loss = wrongness(attack.loss, logits, graphs.y)
        self.alive = (logits.argmax(1) == graphs.y) & (self.budgets > 0)

    def run(self) -> list[Perturbation]:
        """Return the perturbation of each graph."""
        if self.attack.targets == "nearest":
            self.climb(None)
        else:
            for step in range(1, self.victim.num_classes):
                self.climb((self.graphs.y + step) % self.victim.num_classes)
        return [self.candidates.perturbation(row[row >= 0]) for row in self.best]

    def climb(self, target: Tensor | None) -> None:
        """Climb the gradient towards the classes `target` (G,), and draw edits at the end.

        None stands for the nearest wrong class.
        """
        attack = self.attack
        block = torch.full(
            (self.graphs.num_graphs, int(self.sizes.max())), -1, device=self.sizes.device
        )
        weights = torch.zeros(block.shape, device=block.device)
        block, weights = self.resampled(block, weights)
        kept_block, kept_weights = block.clone(), weights.clone()
        kept_loss = torch.full_like(self.best_loss, -torch.inf)
        for epoch in range(attack.epochs):
            if not bool(self.alive.any()):
                return
            weights = self.step(block, weights, target, epoch)
            # Is this the best block so far?
            loss = self.look(self.largest(block, weights), target)
            better = loss > kept_loss
            kept_loss = torch.where(better, loss, kept_loss)
            kept_block[better], kept_weights[better] = block[better], weights[better]
            # Draw anew what has little weight, until the best block is taken up again.
            if epoch + 1 < attack.resampling:
                block, weights = self.resampled(block, weights)
            elif epoch + 1 == attack.resampling:
                block, weights = kept_block.clone(), kept_weights.clone()
        # Draw edits with their weights as probabilities; a draw over the budget does not count.
        for _ in range(attack.samples):
            keys = torch.rand(block.shape, generator=self.generator).to(block.device)
            drawn = keys < kept_weights
            drawn &= (drawn.sum(1) <= self.budgets).unsqueeze(1)
            self.look(self.largest(kept_block, drawn.float()), target)

    def step(self, block: Tensor, weights: Tensor, target: Tensor | None, epoch: int) -> Tensor:
        """Return the weights (G, W) after a gradient step and the projection (algorithm 1).

        After `resampling` epochs the steps get smaller.
        """
        rate = (
            self.attack.learning_rate
            * self.budgets
            / self.graphs.sizes
            / max(epoch - self.attack.resampling + 1, 1) ** 0.5
        )
        weights = weights + rate.unsqueeze(1) * self.gradient(block, weights, target)
        # A weight of -inf outside of the block stays out of the projection.
        weights = project(weights.masked_fill(block < 0, -torch.inf), self.budgets)
        return weights.clamp(_LEAST, 1 - _LEAST).masked_fill(block < 0, 0.0)

    def gradient(self, block: Tensor, weights: Tensor, target: Tensor | None) -> Tensor:
        """Return the gradient of the loss in the weights (G, W), 0 for graphs that are done."""
        place = ((block >= 0) & self.alive.unsqueeze(1)).nonzero(as_tuple=True)
        rows = self.alive.nonzero().squeeze(1)
        allowed = self.candidates.take(block[place])
        number = torch.zeros_like(self.sizes)
        number[rows] = torch.arange(len(rows), device=rows.device)
        allowed = replace(allowed, graph=number[allowed.graph], num_graphs=len(rows))

        def loss(logits: Tensor, index: Tensor) -> Tensor:
            y = self.graphs.y[rows[index]]
            towards = None if target is None else target[rows[index]]
            return wrongness(self.attack.loss, logits, y, towards)

        gradients = torch.zeros_like(weights)
        gradient = self.victim.relaxed(self.graphs.select(rows), allowed, weights[place], loss)[1]
        gradients[place] = gradient.to(gradients.dtype)
        return gradients

    def largest(self, block: Tensor, weights: Tensor) -> Tensor:
        """Return the candidates of the largest weights (G, K).

        They are within each graph's budget, and above the least weight.
        """
        width = self.best.size(1)
        order = weights.argsort(dim=1, descending=True, stable=True)[:, :width]
        used = torch.arange(width, device=block.device) < self.budgets.unsqueeze(1)
        return torch.where(used & (weights.gather(1, order) > _LEAST), block.gather(1, order), -1)

    def look(self, rows: Tensor, target: Tensor | None) -> Tensor:
        """Return the loss with these edits (G, K), and keep what is better than the best.

        The loss is -inf for graphs that are done or not edited: (G, K) -> (G,).
        """
        graph = (self.alive & (rows >= 0).any(1)).nonzero().squeeze(1)
        losses = torch.full_like(self.best_loss, -torch.inf)
        if len(graph) == 0:
            return losses
        y = self.graphs.y[graph]
        logits = self.victim.logits(with_edits(self.graphs, self.candidates, rows[graph], graph))
        loss, wrong = wrongness(self.attack.loss, logits, y), logits.argmax(1) != y
        better = wrong | (loss > self.best_loss[graph])
        self.best_loss[graph[better]] = loss[better]
        self.best[graph[better]] = rows[graph[better]]
        self.alive[graph[wrong]] = False
        towards = None if target is None else target[graph]
        losses[graph] = wrongness(self.attack.loss, logits, y, towards)
        return losses

    def resampled(self, block: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return blocks in which at most the heavier half stays, and the rest is drawn anew.

        Shapes: block (G, W), weights (G, W) -> the same.
        """
        order = weights.argsort(dim=1, descending=True, stable=True)
        column = torch.arange(block.size(1), device=block.device)
        heavier_half = column < (self.sizes - self.sizes // 2).unsqueeze(1)
        old_weights = weights.gather(1, order)
        stays = (old_weights > _LEAST) & heavier_half
        kept = torch.where(stays, block.gather(1, order), -1)
        # The candidates that stay come first, the others follow in random order.
        keys = torch.rand(len(self.candidates), generator=self.generator, dtype=torch.float64)
        keys = keys.to(block.device)
        keys[kept[stays]] = -0.5
        ranked = torch.argsort(self.candidates.graph + (keys + 0.5) / 2)
        filled = column < self.sizes.unsqueeze(1)
        place = (self.candidates.ptr[:-1].unsqueeze(1) + column)[filled]
        new_block = torch.full_like(block, -1)
        new_block[filled] = ranked[place]
        by_candidate = torch.full((len(self.candidates),), _LEAST, device=weights.device)
        by_candidate[kept[stays]] = old_weights[stays]
        if len(self.candidates) == 0:
            return new_block, torch.zeros(new_block.shape, device=weights.device)
        return new_block, torch.where(new_block >= 0, by_candidate[new_block.clamp(min=0)], 0.0)


def project(values: Tensor, budgets: Tensor) -> Tensor:
    """Return the nearest weights between 0 and 1 that add up to the budget at the most, row by row.

    They are the values less a number, clipped. Bisection finds the number (Geisler et al. 2021).

    Shapes: values (G, W), budgets (G,) -> (G, W).

    >>> weights = project(torch.tensor([[0.25, 0.5], [1.5, 0.5]]), torch.tensor([1, 1]))
    >>> weights.round(decimals=4).tolist()
    [[0.25, 0.5], [1.0, 0.0]]
    """
    low, high = (values.masked_fill(values.isinf(), torch.inf) - 1).amin(1), values.amax(1)
    over = values.clamp(0, 1).sum(1) > budgets
    low, high = torch.where(over, low, 0.0), torch.where(over, high, 0.0)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        too_much = (values - middle.unsqueeze(1)).clamp(0, 1).sum(1) > budgets
        low, high = torch.where(too_much, middle, low), torch.where(too_much, high, middle)
    return (values - torch.where(over, (low + high) / 2, 0.0).unsqueeze(1)).clamp(0, 1)
