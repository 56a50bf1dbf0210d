"""Probes of a module that a user brings: what it can do, and what nothing can be built on.

Logits count as equal within the margin of `agreement`.

Letters: B graphs, N nodes, E directed edges, C classes.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from robust_augcl.errors import InputError, message_of
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.adapter import Adapter
from robust_augcl.models.agreement import same
from robust_augcl.models.asking import Asked
from robust_augcl.models.attribute_probes import of_attributes, refuse_missing
from robust_augcl.models.call_probes import tried
from robust_augcl.models.classifier_base import Capabilities
from robust_augcl.models.found import Found, Probe
from robust_augcl.models.memory_probes import refuse_memory
from robust_augcl.models.order_probes import of_batches, of_orders, of_small_graphs
from robust_augcl.models.reach_probe import of_reach
from robust_augcl.models.signatures import by_signature
from robust_augcl.models.weight_probes import of_weights

MODE = "evaluation mode"
"""The name of the probe that comes first."""
CAME_IN_TRAINING = "it came in training mode and was put in `eval()`"
"""Its words on a module that is no other one in evaluation mode."""
_PROBED = 8  # graphs that a module is probed with, at the most


def probed(module: nn.Module, graphs: PackedGraphs, adapter: Adapter) -> Found:
    """Put a module in evaluation mode, and find out how it is called and what it can do.

    The global random state is left as it was.

    Args:
        module: that a user brings.
        graphs: some of those that it is made for.
        adapter: what the user says of how it is called.

    Raises:
        InputError: nothing can be built on the module; the sentence says what to do.
    """
    if graphs.num_graphs == 0:
        raise InputError("Expected at least one graph to probe a module with, got none")
    device = _one_device(module)
    _refuse_caches(module)
    lines = [_evaluation_mode(module)]
    fresh = _copy(module)
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        state = {name: value.clone() for name, value in module.state_dict().items()}
        probes = graphs.select(_spread(graphs.num_graphs)).to(device)
        adapter = by_signature(module, adapter)
        refuse_missing(module, adapter, probes)
        adapter, failed = tried(module, adapter, probes)
        asked = Asked(module, adapter)
        first, more = _answers(asked, probes)
        refuse_memory(asked, _copy(fresh), fresh, probes, first)
        lines += [*more, *of_attributes(asked, probes, first, failed)]
        found = _able(asked, probes, first, lines)
        _refuse_changes(asked, probes, first, state)
    return found


def _able(asked: Asked, probes: PackedGraphs, first: Tensor, lines: list[Probe]) -> Found:
    """What a module can do whose answers can be built on."""
    reasons: dict[str, str] = {}
    batches, reason = of_batches(asked, probes, first)
    lines = [*lines, *batches]
    if reason is not None:
        reasons["batches"] = reason
    ask = asked.one_by_one if reason is not None else asked.together
    orders, matter = of_orders(ask, asked, probes, first)
    small, fails = of_small_graphs(asked, probes)
    weights, words, reason = of_weights(asked, probes, reason is None)
    if weights is not None and "edges" in matter:
        weights, words, reason = None, [], "its logits depend on the order of the edges"
    if reason is not None:
        reasons["edge_weights"] = reason
    local, reason = of_reach(asked, probes, first)
    if reason is not None:
        reasons["local"] = reason
    double = _double_precision(asked, probes, first)
    able = Capabilities(
        edge_weights="edge_weights" not in reasons,
        batches="batches" not in reasons,
        local="local" not in reasons,
        reasons=reasons,
    )
    return Found(
        asked.adapter,
        first.size(1),
        able,
        weights,
        double.outcome == "passed",
        fails,
        (*lines, *orders, *small, *words, local, double),
    )


def _spread(count: int) -> Tensor:
    """A few of 0 ... count - 1, spread evenly: data sets go by class, or by size."""
    return torch.linspace(0, count - 1, min(_PROBED, count)).round().long()


# --- before the first question --------------------------------------------------------------------


def _one_device(module: nn.Module) -> torch.device:
    """The device of a module's parameters and buffers; the CPU if it has none."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    lazy = [name for name, value in tensors.items() if is_lazy(value)]
    if lazy:
        raise InputError(
            f"Expected a module whose weights exist, got `{lazy[0]}`, which has no shape yet: call "
            "the module once with a graph, or load its weights"
        )
    places = {value.device: name for name, value in tensors.items()}
    if any(device.type == "meta" for device in places):
        raise InputError(
            "Expected a module with weights, got one on the device `meta`, which holds none: make "
            "it with `to_empty`, and load its weights"
        )
    if len(places) > 1:
        named = ", ".join(f"`{name}` on {device}" for device, name in places.items())
        raise InputError(
            f"Expected a module on one device, got {named}: move it with `module.to(device)`"
        )
    return next(iter(places), torch.device("cpu"))


def _refuse_caches(module: nn.Module) -> None:
    for name, each in module.named_modules():
        if getattr(each, "cached", None) is True:
            raise InputError(
                f"Expected layers that look at the edges of every graph, got `{name}` "
                f"({type(each).__name__}), which keeps those of the first one: make it with "
                "`cached=False`"
            )


def _evaluation_mode(module: nn.Module) -> Probe:
    was = module.training
    module.eval()
    stays = [name or "the module" for name, each in module.named_modules() if each.training]
    if stays:
        words = f"`eval()` leaves {', '.join(stays[:3])} in training mode; it is probed as it is"
        return Probe(MODE, "noted", words)
    if was:
        return Probe(MODE, "noted", CAME_IN_TRAINING)
    return Probe(MODE, "passed", "it is in evaluation mode")


# --- answers --------------------------------------------------------------------------------------


@torch.no_grad()
def _answers(asked: Asked, graphs: PackedGraphs) -> tuple[Tensor, list[Probe]]:
    """The logits (B, C), if they can be built on, and what was found on the way."""
    for number in torch.arange(graphs.num_graphs, device=graphs.device).split(1):
        handed = graphs.select(number)
        edges = handed.edge_index.clone()
        asked.together(handed, edges)
        if not (handed.same_as(graphs.select(number)) and torch.equal(edges, handed.edge_index)):
            raise InputError(
                "Expected a module that leaves its input as it is, got changes in place: work on "
                "a copy, as `x = x.clone()`"
            )
    first = asked.one_by_one(graphs, graphs.edge_index).clone()
    if not bool(first.isfinite().all()):
        bad = (~first.isfinite().all(1)).nonzero().squeeze(1).tolist()
        raise InputError(
            f"Expected finite logits, got NaN or infinity for {len(bad)} of {len(first)} graphs, "
            f"the first of {graphs.sizes[bad[0]]} nodes: look at its features and at divisions by "
            "0; training may have diverged"
        )
    if first.size(1) < 2:
        raise InputError(f"Expected logits of 2 classes at least, got {first.size(1)}")
    if not same(first, asked.one_by_one(graphs, graphs.edge_index), asked.module):
        raise InputError(_why_others(asked, graphs))
    return first, [
        Probe("input left as it is", "passed", "it changes nothing that it is given"),
        Probe("finite logits", "passed", "all logits are finite"),
        Probe("same answer twice", "passed", "it gives the same logits for the same graphs"),
        *_scale(asked.adapter, first),
    ]


def _why_others(asked: Asked, graphs: PackedGraphs) -> str:
    """What to say of a module whose second answer differs from its first."""
    answers = []
    for _ in range(2):
        # Inside of `fork_rng`, and of the generators that it puts back alone.
        torch.default_generator.manual_seed(0)
        if graphs.device.type == "cuda":
            torch.cuda.manual_seed(0)
        answers.append(asked.one_by_one(graphs, graphs.edge_index).clone())
    start = "Expected the same logits for the same graphs, got others the second time: "
    if same(answers[0], answers[1], asked.module):
        return start + (
            "it draws at random in evaluation mode; draw only where `self.training` is true, as "
            "`dropout(x, p, training=self.training)`"
        )
    return start + (
        "it draws at random, or its answer depends on earlier calls; keep counters, caches and "
        "chance out of evaluation mode"
    )


def _copy(module: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(module)
    except Exception as error:
        raise InputError(
            f"Expected a module that `copy.deepcopy` can copy, got {message_of(error)}: keep no "
            "tensors that were computed with gradients as attributes (`detach()` them)"
        ) from error


def _scale(adapter: Adapter, first: Tensor) -> list[Probe]:
    """A word on answers that look like probabilities."""
    sums = first.sum(1)
    if adapter.scale == "logits" and bool((first >= 0).all() & (first <= 1).all()):
        of_one = bool((first[:, 0] == 0).all()) and first.size(1) == 2
        if of_one or torch.allclose(sums, torch.ones_like(sums), atol=1e-3):
            words = (
                "all of them lie between 0 and 1; if they are probabilities, say so with "
                'Adapter(scale="probabilities")'
            )
            return [Probe("logits", "noted", words)]
    return []


@torch.no_grad()
def _refuse_changes(
    asked: Asked, graphs: PackedGraphs, first: Tensor, state: dict[str, Tensor]
) -> None:
    """After all probes: the module's state, and its answers, must be what they were."""
    _copy(asked.module)
    now = asked.module.state_dict()
    changed = [name for name in state if not _equal(state[name], now.get(name))]
    changed += [name for name in now if name not in state]
    if changed:
        named = ", ".join(f"`{name}`" for name in changed[:3])
        raise InputError(
            f"Expected a module whose state stays as it is, got changes of {named}: put layers "
            "that count or learn in evaluation mode, and write to buffers only in training"
        )
    if not same(asked.one_by_one(graphs, graphs.edge_index), first, asked.module):
        raise InputError(
            "Expected the same logits after many questions as before, got others: keep counters "
            "and caches out of evaluation mode"
        )


def _equal(one: Tensor, other: Tensor | None) -> bool:
    return (
        other is not None
        and one.dtype == other.dtype
        and torch.equal(one.nan_to_num(), other.nan_to_num())
    )


@torch.no_grad()
def _double_precision(asked: Asked, graphs: PackedGraphs, first: Tensor) -> Probe:
    try:
        other = replace(asked, module=copy.deepcopy(asked.module).double())
        precise = other.one_by_one(replace(graphs, x=graphs.x.double()), graphs.edge_index)
    except Exception as error:
        words = (
            f"it fails in double precision ({message_of(error)}), so single precision decides also "
            "where the two highest logits are close; make tensors with `dtype=x.dtype`"
        )
        return Probe("double precision", "failed", words)
    if not same(precise.to(first.dtype), first, asked.module):
        words = (
            "its logits differ in double precision by more than rounding, so its own precision "
            "decides"
        )
        return Probe("double precision", "failed", words)
    return Probe("double precision", "passed", "it gives the same logits in double precision")
