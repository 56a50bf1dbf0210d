"""A probe of how far an edit reaches in a module made of known layers.

The reach follows from the layers. The probe can only refute it: where the steps do not give the
module's logits, or a state changes further away from an edit than its layers say.

Letters: B graphs, N nodes, E directed edges, C classes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.agreement import same
from robust_augcl.models.asking import Asked
from robust_augcl.models.following import NotLayered, layered
from robust_augcl.models.found import Probe
from robust_augcl.models.layered import Layered

_NAME = "reach of an edit"
_IN_FULL = "so each edited graph is evaluated in full, which is slower"


@torch.no_grad()
def of_reach(asked: Asked, graphs: PackedGraphs, first: Tensor) -> tuple[Probe, str | None]:
    """Whether only what an edit can reach needs to be computed again, and why not."""
    reason = _reason(asked, graphs, first)
    if reason is not None:
        return Probe(_NAME, "failed", f"{reason}; {_IN_FULL}"), reason
    words = "its layers are known, so only what an edit can reach is computed again"
    return Probe(_NAME, "passed", words), None


def _reason(asked: Asked, graphs: PackedGraphs, first: Tensor) -> str | None:
    if graphs.target_node is not None:
        return "the targets are nodes"
    if graphs.edge_attr is not None:
        return "edges have attributes"
    try:
        steps = layered(asked.module, asked.adapter)
    except NotLayered as refused:
        return str(refused)
    try:
        clean = steps.run(graphs)
        reason = _of_shapes(steps, graphs, clean)
        if reason is not None:
            return reason
        logits = steps.logits(clean[steps.answer], graphs.x.dtype)
        if not same(logits, first, asked.module):
            return "its layers one by one do not give its logits"
        return _of_edits(asked.module, steps, graphs, clean)
    except (
        Exception
    ) as error:  # what follows the module is ours, and less careful than its own code
        return f"its layers cannot be called one by one ({type(error).__name__})"


def _of_shapes(steps: Layered, graphs: PackedGraphs, clean: dict[int, Any]) -> str | None:
    """Whether values have a row for each node or graph, and columns.

    A value without columns would be taken along its rows by what works along the last dimension.
    """
    rows = {"nodes": graphs.num_nodes, "graphs": graphs.num_graphs}
    used = {each for step in steps.steps for each in step.inputs}
    pooled = {step.inputs[0] for step in steps.steps if step.kind in ("layer", "pool")}
    for number, step in enumerate(steps.steps):
        value = clean[number]
        if step.level not in rows or not isinstance(value, Tensor):
            continue
        if value.dim() == 0 or len(value) != rows[step.level]:
            return f"a value of its {step.level} has not a row for each of them"
        without_columns = value.dim() == 1 and number in used and step.kind != "given"
        if without_columns or (number in pooled and value.dim() != 2):
            return f"a value of its {step.level} is no matrix"
    return None


def _of_edits(
    module: nn.Module, steps: Layered, graphs: PackedGraphs, clean: dict[int, Tensor]
) -> str | None:
    """Flip a pair of nodes in each graph, and look for states that change too far away."""
    big = (graphs.sizes > 1).nonzero().squeeze(1)
    draws = torch.Generator().manual_seed(0)
    one = (torch.rand(len(big), generator=draws) * graphs.sizes[big].cpu()).long().to(graphs.device)
    away = (torch.rand(len(big), generator=draws) * (graphs.sizes[big].cpu() - 1)).long()
    pairs = torch.stack([one, (one + 1 + away.to(graphs.device)) % graphs.sizes[big]])
    edited = graphs.flip(big, pairs)
    after = steps.run(edited)
    near = torch.zeros(graphs.num_nodes, dtype=torch.bool, device=graphs.device)
    near[(pairs + graphs.ptr[big]).flatten()] = True
    within = {-1: torch.zeros_like(near), 0: near}
    both = torch.cat([graphs.edge_index, edited.edge_index], dim=1)
    for hops in range(1, steps.reach + 1):
        near = near.index_fill(0, both[1, near[both[0]]], value=True)
        within[hops] = near
    for number, step in enumerate(steps.steps):
        if step.level != "nodes" or not isinstance(clean[number], Tensor):
            continue
        far = ~within[step.reach]
        if not same(after[number][far].flatten(), clean[number][far].flatten(), module):
            return "an edit changes states further away than its layers reach"
    return None
