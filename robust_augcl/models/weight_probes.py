"""Probes of edge weights: whether they act as they should, and gradients flow to them.

Letters: B graphs, E directed edges, C classes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from robust_augcl.errors import message_of
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.agreement import same
from robust_augcl.models.asking import Asked
from robust_augcl.models.found import Probe
from robust_augcl.models.message_weights import WeightsRefused

Way = Literal["argument", "messages"]
_LEFT_OUT = "gradient attacks are left out"
_STEP = 1e-5  # of a finite difference in double precision
_SLOPE = 1e-3  # by which a gradient may differ from it, relative to the larger one


def of_weights(
    asked: Asked, graphs: PackedGraphs, batches: bool
) -> tuple[Way | None, list[Probe], str | None]:
    """How edge weights reach a module, a line, and why they do not.

    An argument of `forward` is tried first, then the messages of its layers.
    """
    if graphs.edge_index.size(1) == 0:
        bare = "no graph that it was probed with has an edge"
        return None, [Probe("edge weights", "failed", f"{_LEFT_OUT}: {bare}")], bare
    taken = {"edge_weight", "data"} & asked.adapter.roles
    reasons: list[str] = []
    reason: str | None
    if taken:
        reason = _Weights(replace(asked, weights="argument"), graphs, batches).reason()
        if reason is None:
            words = "they act as they should, and gradients flow to them"
            return "argument", [Probe("edge weights", "passed", words)], None
        reasons.append(reason)
    else:
        reasons.append("`forward` takes no `edge_weight`")
    reason = _Weights(replace(asked, weights="messages"), graphs, batches).reason()
    if reason is None:
        words = f"{reasons[0]}; gradients come through the messages of its layers"
        return "messages", [Probe("edge weights", "passed", words)], None
    reasons.append(f"its messages cannot be weighted: {reason}")
    together = ", and ".join(reasons)
    return None, [Probe("edge weights", "failed", f"{_LEFT_OUT}: {together}")], together


class _Weights:
    """A module that is given weights in one way.

    Args:
        asked: the module, and the way.
        graphs: to probe it with.
        batches: whether they can be asked about together.
    """

    def __init__(self, asked: Asked, graphs: PackedGraphs, batches: bool) -> None:
        self._asked, self._graphs, self._batches = asked, graphs, batches
        self._name = "`edge_weight`" if asked.weights == "argument" else "a weight of messages"

    def reason(self) -> str | None:
        """Why they cannot be used, None if they can."""
        try:
            with torch.no_grad():
                reason = self._of_logits()
            return reason or self._of_gradients()
        except WeightsRefused as refused:
            return str(refused)
        except Exception as error:
            return f"it fails with edge weights ({message_of(error)})"

    def _of_logits(self) -> str | None:
        edges = self._graphs.edge_index
        ones = self._graphs.x.new_ones(edges.size(1))
        plain = self._ask(edges, None)
        if not self._same(self._ask(edges, ones), plain):
            return "an edge of weight 1 is not the same as an edge without a weight"
        # Where attention lies on one edge alone, only its absence has an effect.
        if all(torch.equal(self._ask(edges, weight), plain) for weight in (ones / 2, 0 * ones)):
            return f"{self._name} has no effect"
        kept = _every_second(edges)
        without = self._ask(edges[:, kept], None)
        if not self._same(self._ask(edges, kept.to(ones.dtype)), without):
            return "an edge of weight 0 is not the same as no edge"
        twice = self._ask(edges.repeat(1, 2), ones.repeat(2) / 2)
        if not self._same(twice, plain):
            return "two edges of half the weight are not the same as one edge"
        return None

    def _of_gradients(self) -> str | None:
        graphs = self._graphs
        weight = graphs.x.new_ones(graphs.edge_index.size(1), requires_grad=True)
        (gradient,) = self._gradient(self._ask, weight)
        if gradient is None or not bool(gradient.any()):
            return f"no gradient flows to {self._name}"
        if not bool(gradient.isfinite().all()):
            return "gradients of edge weights are not finite"
        return self._of_slopes()

    def _of_slopes(self) -> str | None:
        """Compare one gradient with a finite difference, where double precision can be had."""
        try:
            module = copy.deepcopy(self._asked.module).double()
            graphs = replace(self._graphs, x=self._graphs.x.double())
            precise = _Weights(replace(self._asked, module=module), graphs, self._batches)
            precise._ask(graphs.edge_index, None)
        except Exception:  # another probe tells it
            return None
        draws = torch.Generator().manual_seed(0)
        count = graphs.edge_index.size(1)
        spread = torch.rand(2, count, generator=draws, dtype=torch.double).to(graphs.device)
        at, along = 0.25 + spread[0] / 2, spread[1] - 0.5
        (gradient,) = self._gradient(precise._ask, at.clone().requires_grad_())
        with torch.no_grad():
            totals = [
                precise._ask(graphs.edge_index, at + step * along).square().sum()
                for step in (_STEP, -_STEP)
            ]
        if gradient is None:
            return f"no gradient flows to {self._name}"
        slope, expected = float(gradient @ along), float(totals[0] - totals[1]) / (2 * _STEP)
        scale = max(abs(slope), abs(expected), 1e-6 * float(totals[0]))
        if abs(slope - expected) > _SLOPE * scale:
            return "gradients of edge weights are not those of finite differences"
        return None

    def _gradient(self, ask: Callable[..., Tensor], weight: Tensor) -> tuple[Tensor | None]:
        with torch.enable_grad():
            total = ask(self._graphs.edge_index, weight).square().sum()
            if not total.requires_grad:
                return (None,)
            (gradient,) = torch.autograd.grad(total, weight, allow_unused=True)
        return (gradient,)

    def _ask(self, edge_index: Tensor, edge_weight: Tensor | None) -> Tensor:
        ask = self._asked.together if self._batches else self._asked.one_by_one
        return ask(self._graphs, edge_index, edge_weight)

    def _same(self, logits: Tensor, others: Tensor) -> bool:
        return same(logits, others, self._module)

    @property
    def _module(self) -> nn.Module:
        return self._asked.module


def _every_second(edges: Tensor) -> Tensor:
    """Whether an edge is kept (E,), the same for both of its directions; about half are."""
    low, high = edges.min(0).values, edges.max(0).values
    number = torch.stack([low, high]).unique(dim=1, return_inverse=True)[1]
    return number % 2 == 1
