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
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from robust_augcl.adversary.attack_base import Attack, FitGraphs, Proposer, at_most, in_parts
from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.attacks._blocks import Blocks, project
from robust_augcl.attacks._edit_sets import with_edits
from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.progress import Report, silent
from robust_augcl.threat.candidates import first_lowest
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation
from robust_augcl.validation import require_not_negative, require_one_of, require_positive

_LEAST = 1e-7
"""The least weight: a weight of 0 would have no gradient in some models."""
Gradient = Callable[[Tensor, Tensor], Tensor]
"""From candidates (K,) and their weights (K,) to the gradient of the loss in these weights (K,)."""
Loss = Callable[[Tensor, Tensor], Tensor]
"""From logits (B, C) and the numbers of their graphs (B,) to losses (B,)."""


@dataclass(frozen=True)
class PRBCD(Attack):
    """Spread the budget over a random block of edits, follow the gradient, draw edits by weight.

    An epoch has four parts: a gradient step on the weights; the projection onto those that add up
    to the budget at the most; a look at the edits of the largest weights; a new draw of at least
    half of the block, those of small weight. After `resampling` epochs the block stays, the best
    block so far is taken up again, and steps get smaller. In the end edits are drawn with their
    weights as probabilities.

    The block holds only allowed candidates, so the threat model is kept. Departures from the paper
    and from PyTorch Geometric: A graph's candidates are drawn in one random order, again and again,
    those in the block left out; there, draws are independent. The answer is the best of all edit
    sets that were looked at, the clean graph among them; there it is the best of the last draws,
    even if the clean graph was better. A graph is done when a set breaks it. A set is looked at
    once in an ascent.

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
    revision: ClassVar[int] = 2  # blocks of other chance, sums in another order
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
            limits().climbed_graphs,
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


@dataclass
class _Climb:
    """Where the ascent stands for R graphs that are not broken yet.

    Args:
        graph: the graphs, ascending (R,).
        block, weights: the candidates and how much of each is made (R, W).
        kept_block, kept_weights: the best of them so far (R, W).
        kept_loss: their loss (R,).
        seen, losses: the edit sets that were looked at (R, T, K), and their losses (R, T).
    """

    graph: Tensor
    block: Tensor
    weights: Tensor
    kept_block: Tensor
    kept_weights: Tensor
    kept_loss: Tensor
    seen: Tensor
    losses: Tensor

    def take(self, rows: Tensor) -> _Climb:
        """Return the ascent of some of the graphs."""
        return _Climb(*(getattr(self, field.name)[rows] for field in fields(self)))


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
        self.candidates = threat.enumerate(graphs, victim.reach)
        self.budgets = torch.minimum(threat.budgets(graphs), self.candidates.counts)
        widest = max(attack.block_size, 2 * int(self.budgets.max()))
        self.blocks = Blocks(self.candidates, self.candidates.counts.clamp(max=widest), generator)
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

        def loss(logits: Tensor, index: Tensor) -> Tensor:
            towards = None if target is None else target[index]
            return wrongness(attack.loss, logits, self.graphs.y[index], towards)

        if not bool(self.alive.any()):
            return
        gradient = self.victim.partial_edits(self.graphs, self.candidates, loss)
        climb = self.begin()
        for epoch in range(attack.epochs):
            if len(climb.graph) == 0:
                return
            climb.weights = self.step(climb, gradient, epoch)
            # Is this the best block so far?
            found = self.look(climb, self.largest(climb, climb.weights).unsqueeze(1), loss)
            better = found.squeeze(1) > climb.kept_loss
            climb.kept_loss[better] = found[better, 0]
            climb.kept_block[better] = climb.block[better]
            climb.kept_weights[better] = climb.weights[better]
            climb = climb.take(self.alive[climb.graph])
            # Draw anew what has little weight, until the best block is taken up again.
            if epoch + 1 < attack.resampling:
                climb.block, climb.weights = self.resampled(climb)
            elif epoch + 1 == attack.resampling:
                climb.block, climb.weights = climb.kept_block.clone(), climb.kept_weights.clone()
        self.draw(climb, loss)

    def begin(self) -> _Climb:
        """Return the beginning of an ascent: a first block of each graph that is not broken."""
        graph = self.alive.nonzero().squeeze(1)
        none = torch.full((len(graph), int(self.blocks.sizes.max())), -1, device=graph.device)
        block = self.blocks.filled(graph, none)
        weights = torch.where(block >= 0, _LEAST, 0.0)
        return _Climb(
            graph,
            block,
            weights,
            block.clone(),
            weights.clone(),
            self.best_loss.new_full((len(graph),), -torch.inf),
            # The set of no edits is known, and no answer of an ascent.
            block.new_full((len(graph), 1, self.best.size(1)), -1),
            self.best_loss.new_full((len(graph), 1), -torch.inf),
        )

    def step(self, climb: _Climb, gradient: Gradient, epoch: int) -> Tensor:
        """Return the weights (R, W) after a gradient step and the projection (algorithm 1).

        After `resampling` epochs the steps get smaller.
        """
        budgets, is_edit = self.budgets[climb.graph], climb.block >= 0
        rate = (
            self.attack.learning_rate
            * budgets
            / self.graphs.sizes[climb.graph]
            / max(epoch - self.attack.resampling + 1, 1) ** 0.5
        )
        slopes = torch.zeros_like(climb.weights)
        slopes[is_edit] = gradient(climb.block[is_edit], climb.weights[is_edit]).to(slopes.dtype)
        # A gradient that is no finite number tells no direction.
        slopes = slopes.nan_to_num_(0.0, 0.0, 0.0)
        weights = climb.weights + rate.unsqueeze(1) * slopes
        # A weight of -inf outside of the block stays out of the projection.
        weights = project(weights.masked_fill(~is_edit, -torch.inf), budgets)
        return weights.clamp(_LEAST, 1 - _LEAST).masked_fill(~is_edit, 0.0)

    def largest(self, climb: _Climb, weights: Tensor) -> Tensor:
        """Return the candidates of the largest weights, in ascending order (R, K).

        They are within each graph's budget, and above the least weight. There is no candidate -1.
        """
        width = self.best.size(1)
        heaviest = weights.topk(min(width, weights.size(1)), dim=1)
        used = torch.arange(width, device=weights.device) < self.budgets[climb.graph].unsqueeze(1)
        numbers = climb.block.gather(1, heaviest.indices)
        return torch.where(used & (heaviest.values > _LEAST), numbers, -1).sort(dim=1).values

    def draw(self, climb: _Climb, loss: Loss) -> None:
        """Look at edits that are drawn with the weights of the best block as probabilities.

        A draw over the budget does not count.
        """
        climb.block = climb.kept_block
        draws = []
        for _ in range(self.attack.samples):
            keys = torch.rand(climb.block.shape, generator=self.generator).to(climb.block.device)
            drawn = keys < climb.kept_weights
            drawn &= (drawn.sum(1) <= self.budgets[climb.graph]).unsqueeze(1)
            draws.append(self.largest(climb, drawn.to(climb.weights.dtype)))
        self.look(climb, torch.stack(draws, dim=1), loss)

    def look(self, climb: _Climb, sets: Tensor, loss: Loss) -> Tensor:
        """Return the losses with these sets of edits, and keep what is better than the best.

        A set that the same ascent looked at is not asked about again. The loss without edits is
        -inf. Shapes: sets (R, S, K), each in ascending order -> (R, S).
        """
        num_seen = climb.seen.size(1)
        climb.seen = torch.cat([climb.seen, sets], dim=1)
        climb.losses = torch.cat([climb.losses, climb.losses.new_zeros(sets.shape[:2])], dim=1)
        is_same = (sets.unsqueeze(2) == climb.seen.unsqueeze(1)).all(3)
        first = is_same.int().argmax(2)
        column = num_seen + torch.arange(sets.size(1), device=sets.device)
        row, number = (first == column).nonzero(as_tuple=True)
        if len(row):
            graph, asked = climb.graph[row], sets[row, number]
            logits = self.victim.logits(with_edits(self.graphs, self.candidates, asked, graph))
            climb.losses[row, num_seen + number] = loss(logits, graph)
            self.keep_best(graph, asked, logits)
        return climb.losses.gather(1, first)

    def keep_best(self, graph: Tensor, sets: Tensor, logits: Tensor) -> None:
        """Keep the best of edit sets (L, K) of graphs (L,), ascending, where it is a better one.

        The first that breaks a graph is the best.
        """
        y = self.graphs.y[graph]
        is_wrong = logits.argmax(1) != y
        loss = wrongness(self.attack.loss, logits, y).masked_fill(is_wrong, torch.inf)
        best = first_lowest(graph, -loss, self.graphs.num_graphs)
        best = best[best >= 0]
        best = best[loss[best] > self.best_loss[graph[best]]]
        self.best_loss[graph[best]], self.best[graph[best]] = loss[best], sets[best]
        self.alive[graph[is_wrong]] = False

    def resampled(self, climb: _Climb) -> tuple[Tensor, Tensor]:
        """Return blocks in which at most the heavier half stays, and the rest is drawn anew.

        The weights of what stays do not change. Shapes: (R, W), (R, W).
        """
        order = climb.weights.argsort(dim=1, descending=True, stable=True)
        sizes = self.blocks.sizes[climb.graph].unsqueeze(1)
        heavier_half = torch.arange(order.size(1), device=order.device) < sizes - sizes // 2
        weights = climb.weights.gather(1, order)
        stays = (weights > _LEAST) & heavier_half
        kept = torch.where(stays, climb.block.gather(1, order), -1)
        block = self.blocks.filled(climb.graph, kept)
        fresh = torch.where(block >= 0, _LEAST, 0.0)
        return block, torch.where(stays, weights, fresh)
