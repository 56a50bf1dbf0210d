"""Which stored predictions and margins hold, and how much they may differ between machines.

What a result says is held against what the stored weights say now. A victim decides close
predictions in double precision (`models.verdicts`), whoever asks it. Elsewhere single precision
rounds, and not in the same way on every machine. So a margin may differ by a tolerance. No
tolerance is taken from the size of logits: whoever may add a million to each of them would set it.

Rounding is measured, target by target: where a node has hundreds of neighbours, far more is added
up than in other graphs. What is seen at a target counts for those that add up about as much.

Letters: G targets, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import gaps, margins, spreads
from robust_augcl.models.verdicts import nearness

TIE = 1e-4
"""A margin may differ between machines by this share of the spread of its target's logits."""
MOST = 1e-3
"""... but by no more than this share of the margin that half of the clean targets do not reach."""
_ROUNDING = 4.0
"""How many times the largest rounding that is seen at clean targets like it is a target's."""
_UNMEASURED = 1e-5
"""Which share of the spread that is taken to be where there is no double precision to measure it.

Single precision was seen to round margins by 2e-6 of it at the most.
"""
_ALIKE = 4
"""Targets are alike where one adds up no more than this many times what the other does."""
_LOOK = 4.0
"""Within how many times its rounding an edited target's own rounding is measured."""
_DECIMALS = 6
"""With how many decimals margins are stored."""
ROUNDED = 10**-_DECIMALS
_IN_OWN = "close ones decided in the victim's own precision, for want of double precision"
_UNDECIDED = 100
"""Of so many targets, one may have a verdict that rounding alone decides."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a victim says of G targets.

    Args:
        predicted: the classes (G,).
        wrong: whether they are not the true ones (G,).
        margin: the true logit less the best other one (G,).
        tie: how much the margin may differ between machines (G,).
        undecided: where another machine may find another class, by rounding alone (G,).
    """

    predicted: Tensor
    wrong: Tensor
    margin: Tensor
    tie: Tensor
    undecided: Tensor

    @property
    def broken(self) -> Tensor:
        """Where the prediction is wrong, whatever the rounding (G,)."""
        return self.wrong & ~self.undecided

    @property
    def right(self) -> Tensor:
        """Where it is right, whatever the rounding (G,)."""
        return ~self.wrong & ~self.undecided

    def at(self, index: Tensor) -> Answer:
        """The answers at `index`."""
        return Answer(*(getattr(self, field.name)[index] for field in fields(self)))

    def followed_by(self, other: Answer) -> Answer:
        """These answers, then the others."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Answer(*(torch.cat(pair) for pair in pairs))

    def beyond_rounding(self, differs: Tensor) -> Tensor:
        """Where a word on predictions that differs from these (G,) does not hold (G,).

        Where rounding alone decides, another verdict may have been found elsewhere. That is
        believed of one target in a hundred, and of one where there are fewer.
        """
        return beyond_rounding(differs, self.undecided)

    def far_from(self, margin: Tensor) -> Tensor:
        """Where stored margins (G,) do not hold (G,). What is no number holds nowhere."""
        return ~((self.margin - margin).abs() <= self.tie + ROUNDED)


def beyond_rounding(differs: Tensor, undecided: Tensor) -> Tensor:
    """Where a word that differs does not hold (G,), as `Answer.beyond_rounding` says.

    Example:
        >>> beyond_rounding(torch.tensor([True, True]), torch.tensor([True, False])).tolist()
        [False, True]
        >>> beyond_rounding(torch.tensor([True, True]), torch.tensor([True, True])).tolist()
        [True, True]
    """
    by_rounding = int((differs & undecided).sum())
    most = max(1, len(differs) // _UNDECIDED)
    return differs if by_rounding > most else differs & ~undecided


def unrounded(margins: Sequence[float | None]) -> Tensor:
    """Which of stored margins (G,) have more decimals than they are stored with: no run writes it.

    Example:
        >>> unrounded([0.5, 0.123456, 0.1234567, 0.12345600000000001, None]).tolist()
        [False, False, True, True, False]
    """
    more = [margin is not None and margin != round(margin, _DECIMALS) for margin in margins]
    return torch.tensor(more, dtype=torch.bool)


class Judge:
    """Predicts again what a victim is said to predict.

    Args:
        victim: the victim.
        graphs: its clean test targets, at which tolerances are found.

    Attributes:
        clean: what it says of them.
        rounding: how much single precision may round a margin (G,).
        in_double: whether double precision decides what is close; else the victim's own does.
    """

    def __init__(self, victim: Victim, graphs: PackedGraphs) -> None:
        self._victim = victim
        logits, y = victim.logits(graphs).cpu(), graphs.y.cpu()
        self._finite = bool(logits.isfinite().all())
        precise = victim.precise_logits(graphs)
        self.in_double = precise is not None
        if precise is None:
            exact, error = margins(logits, y).double(), _UNMEASURED * spreads(logits).double()
        else:
            exact = margins(precise.cpu(), y)
            error = _ROUNDING * (margins(logits, y) - exact).abs()
        self._typical = float(exact.abs().median()) if len(exact) else 0.0
        self.rounding = _of_those_alike(error, _added_up(graphs))
        self._margin = exact.abs()
        self.clean = self._answer(logits, y, self.rounding)

    @property
    def words(self) -> str:
        """What a verdict says of how it was reached; empty where double precision decides."""
        return "" if self.in_double else f", {_IN_OWN}"

    @property
    def problems(self) -> list[str]:
        """Why nothing can be proved about this victim; empty where something can."""
        if not self._finite:
            return ["its victim's logits are no finite numbers"]
        if not self.rounding.numel():
            return []
        most, usual = MOST * self._typical, float(self.rounding.median())
        if not usual <= most:
            return [
                f"its victim's margins differ by {usual:.1g} between single and double "
                f"precision, and half of them are below {self._typical:.1g}: rounding decides"
            ]
        decided = self.rounding <= self._margin.clamp(min=most)
        by_rounding = int((~decided).sum())
        if by_rounding > len(decided) // _UNDECIDED:
            return [
                f"{by_rounding} of {len(decided)} clean margins of its victim are smaller than "
                f"they differ between single and double precision: rounding decides"
            ]
        return []

    def predict(self, graphs: PackedGraphs, places: Tensor) -> Answer:
        """What the victim says of targets (N) after edits; `places` (N,): which they are."""
        logits, y = self._victim.logits(graphs).cpu(), graphs.y.cpu()
        rounding = self.rounding[places]
        near = (_LOOK * rounding).clamp(min=MOST * self._typical)
        close = (~(gaps(logits) > near)).nonzero().squeeze(1)
        precise = self._victim.precise_logits(graphs.select(close)) if close.numel() else None
        if precise is not None:
            # Edits may let a graph add up more than it did when clean.
            seen = (margins(logits[close], y[close]) - margins(precise.cpu(), y[close])).abs()
            rounding[close] = torch.maximum(rounding[close], _ROUNDING * seen)
        return self._answer(logits, y, rounding)

    def _answer(self, logits: Tensor, y: Tensor, rounding: Tensor) -> Answer:
        """From logits (G, C), true classes (G,) and how much these margins are rounded (G,)."""
        predicted, margin = logits.argmax(1), margins(logits, y).double()
        # Whoever rounds by more than what is close may have missed that it was.
        missed = rounding - nearness(logits) if self.in_double else rounding
        undecided = ~(gaps(logits) > missed)
        return Answer(predicted, predicted != y, margin, self._ties(logits, rounding), undecided)

    def _ties(self, logits: Tensor, rounding: Tensor) -> Tensor:
        """By how much each margin may differ between machines (G,)."""
        of_spread = (TIE * spreads(logits).double()).clamp(max=MOST * self._typical)
        return torch.maximum(of_spread, rounding)


def _added_up(graphs: PackedGraphs) -> Tensor:
    """How much two rounds of messages and a readout add up in each graph: its short walks (G,).

    Of target nodes of one graph they are those that end there.
    """
    if isinstance(graphs, NodeTargets):
        one = graphs.graph
        source, target = one.edge_index.cpu()
        ways = 1 + one.degree.cpu().double()
        return (ways + torch.zeros_like(ways).index_add(0, source, ways[target]))[
            graphs.nodes.cpu()
        ]
    nodes = graphs.num_nodes
    degree = torch.bincount(graphs.edge_index[0].cpu(), minlength=nodes).double()
    graph = torch.repeat_interleave(graphs.sizes.cpu())
    walks = torch.zeros(graphs.num_graphs, dtype=torch.double)
    return walks.index_add_(0, graph, 1 + degree**2)


def _of_those_alike(error: Tensor, added_up: Tensor) -> Tensor:
    """The largest error of each target and of those that add up about as much (G,).

    Example:
        >>> error, added_up = torch.tensor([1.0, 2.0, 9.0]), torch.tensor([10.0, 30.0, 900.0])
        >>> _of_those_alike(error, added_up).tolist()
        [2.0, 2.0, 9.0]
    """
    order = added_up.argsort()
    error, added_up = error[order], added_up[order].contiguous()
    first = torch.searchsorted(added_up, added_up / _ALIKE).tolist()
    last = torch.searchsorted(added_up, added_up * _ALIKE, right=True).tolist()
    largest = [error[start:end].max() for start, end in zip(first, last, strict=True)]
    found = torch.zeros_like(error)
    found[order] = torch.stack(largest) if largest else error
    return found
