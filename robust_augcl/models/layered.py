"""A module as steps of which it is known what one edge can change: layers, rows, pools.

`models.following` makes them.

Letters: N nodes, B graphs, R rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.fx.node import map_aggregate

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.adapter import Adapter
from robust_augcl.models.calling import features_of, logits_of

Level = Literal["nodes", "graphs", "constant", "edges", "batch", "count"]
"""What the rows of a value stand for."""


@dataclass(frozen=True)
class Ref:
    """The value of an earlier step, in the arguments of a later one."""

    step: int


@dataclass(frozen=True)
class Step:
    """One step.

    Args:
        kind: "given" (to the module), "constant" (of the module), "rows", "layer", "pool".
        level: what the rows of its value stand for.
        target: the role that is given; the name of a part; a function; a method's name.
        of: whether the target is a "module", a "function", a "method", or nothing of these.
        args, named: its arguments, with `Ref` for values.
        reach: how many hops from the ends of an edit its value changes; -1: nowhere.
        in_place: whether it writes to its first argument, so that it is given a copy.
    """

    kind: Literal["given", "constant", "rows", "layer", "pool"]
    level: Level
    target: Any
    of: Literal["module", "function", "method", ""] = ""
    args: tuple[Any, ...] = ()
    named: Mapping[str, Any] | None = None
    reach: int = -1
    in_place: bool = False

    @property
    def inputs(self) -> list[int]:
        """The steps whose values it takes."""
        found: list[int] = []
        both = (self.args, tuple((self.named or {}).values()))
        map_aggregate(both, lambda a: found.append(a.step) if isinstance(a, Ref) else None)
        return found


@dataclass(frozen=True, eq=False)
class Layered:
    """The steps of a module, which come to logits of graphs.

    Args:
        module: whose parts the steps name.
        adapter: how it is called, and its answer read.
        steps: in order.
        answer: the step whose value is the answer.
    """

    module: nn.Module
    adapter: Adapter
    steps: tuple[Step, ...]
    answer: int

    @property
    def reach(self) -> int:
        """How many hops from the ends of an edit any state changes."""
        return max(step.reach for step in self.steps)

    def given(self, graphs: PackedGraphs) -> dict[int, Any]:
        """What the module is given of graphs, by step."""
        values = {
            "x": features_of(self.module, self.adapter, graphs),
            "edge_index": graphs.edge_index,
            "batch": graphs.batch,
            "num_graphs": graphs.num_graphs,
        }
        return {k: values[s.target] for k, s in enumerate(self.steps) if s.kind == "given"}

    def call(self, number: int, values: Mapping[int, Any]) -> Any:
        """The value of a step from those before it, as the module would compute it."""
        step = self.steps[number]
        if step.kind == "constant":
            return self._constant(step.target)
        args = map_aggregate(step.args, lambda a: values[a.step] if isinstance(a, Ref) else a)
        named = map_aggregate(
            dict(step.named or {}), lambda a: values[a.step] if isinstance(a, Ref) else a
        )
        if step.in_place:
            args = (args[0].clone(), *args[1:])
        if step.of == "method":
            return getattr(args[0], step.target)(*args[1:], **named)
        return self.part(step)(*args, **named)

    def part(self, step: Step) -> Callable[..., Any]:
        """The module or function that makes a step."""
        return self.module.get_submodule(step.target) if step.of == "module" else step.target

    def _constant(self, name: str) -> Any:
        holder, _, attribute = name.rpartition(".")
        return getattr(self.module.get_submodule(holder), attribute)

    def run(self, graphs: PackedGraphs) -> dict[int, Any]:
        """The values of all steps, of whole graphs."""
        values = self.given(graphs)
        for number, step in enumerate(self.steps):
            if step.kind != "given":
                values[number] = self.call(number, values)
        return values

    def logits(self, answer: Tensor, dtype: torch.dtype) -> Tensor:
        """Logits (B, C) of the value of the last step, as `ModuleClassifier` reads them."""
        read = replace(self.adapter, item=None)  # the answer is the part that they are
        return logits_of(read, answer, len(answer), "graphs").to(dtype)
