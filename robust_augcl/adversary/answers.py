"""What attacks answer, in whatever form: checked, and copied into plain tensors of the guard's own.

Nothing is computed with an attack's tensors before that. A tensor may be sparse, without content,
or as large as it says and no memory is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor

from robust_augcl.adversary.attack_base import Attack, LearnedProposer
from robust_augcl.errors import GuardViolation, ThreatViolation
from robust_augcl.threat.perturbations import Perturbation, check_form

_MOST_LEARNED = 2**28  # numbers in one tensor of what an attack has learned
_KEPT_DTYPES = (
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.float32,
    torch.float64,
)


def copies(proposed: Sequence[Perturbation], budgets: Tensor) -> list[Perturbation]:
    """Copies of perturbations, checked for their form.

    Args:
        proposed: one for each graph, from an attack.
        budgets: the most edits of each graph (G,). More than those are not copied.

    Raises:
        ThreatViolation: another number of perturbations than of graphs; one that is no plain
            `Perturbation` of whole numbers (2, k), or has more edits than its budget.
        GuardViolation: a tensor whose numbers cannot be read.
    """
    if len(proposed) != budgets.numel():
        raise ThreatViolation(
            f"Expected one perturbation a graph, {budgets.numel()}, got {len(proposed)}"
        )
    made: dict[tuple[int, int], Perturbation] = {}  # what stands for many graphs is copied once
    for index, (perturbation, budget) in enumerate(zip(proposed, budgets.tolist(), strict=True)):
        name = id(perturbation), budget
        if name not in made:
            made[name] = _copy(index, perturbation, budget)
    names = zip(map(id, proposed), budgets.tolist(), strict=True)
    return [made[name] for name in names]


def _copy(index: int, perturbation: Perturbation, budget: int) -> Perturbation:
    try:
        check_form(index, perturbation)
        if perturbation.num_edits > budget:
            raise ThreatViolation(
                f"The perturbation of graph {index} has {perturbation.num_edits} edits, its budget "
                f"is {budget}"
            )
        return Perturbation(*map(_plain, (perturbation.added, perturbation.removed)))
    except (ThreatViolation, GuardViolation):
        raise
    except Exception as error:  # whatever a tensor raises that is none of the usual ones
        _refuse(f"Expected edits of graph {index} that can be read", error)


def learned(
    attack: Attack, proposer: LearnedProposer
) -> tuple[dict[str, Tensor], list[tuple[int, float, float]]]:
    """What an attack has learned: its state in plain tensors of the guard's own, and its curve.

    Raises:
        GuardViolation: a state that is no dictionary of plain tensors, a curve that is none.
    """
    name = type(attack).__name__
    try:
        state: Any = proposer.state()
        curve = [(int(step), float(loss), float(share)) for step, loss, share in proposer.curve]
    except (TypeError, ValueError, AttributeError) as error:
        _refuse(f"Expected a state and a curve of three numbers a point from {name}", error)
    if type(state) is not dict or not all(type(key) is str for key in state):
        raise GuardViolation(
            f"Expected the state of {name} to be a dictionary of tensors by name, "
            f"got {type(state).__name__}"
        )
    return {key: _kept(name, key, value) for key, value in state.items()}, curve


def _kept(attack: str, key: str, value: Any) -> Tensor:
    """A copy of one tensor of what an attack has learned."""
    what = f"Expected {key!r} in the state of {attack} to be a plain tensor of numbers"
    if type(value) not in (Tensor, torch.nn.Parameter):
        raise GuardViolation(f"{what}, got {type(value).__name__}")
    try:
        if value.dtype not in _KEPT_DTYPES or value.numel() > _MOST_LEARNED:
            raise GuardViolation(f"{what}, got {value.dtype} of shape {tuple(value.shape)}")
        return _plain(value.detach())
    except GuardViolation:
        raise
    except Exception as error:
        _refuse(what, error)


def _plain(tensor: Tensor) -> Tensor:
    """A copy in memory of its own, on the CPU.

    Raises:
        GuardViolation: a sparse or nested tensor, or one without content, or not all of it.
    """
    if tensor.layout != torch.strided or tensor.is_nested or tensor.device.type == "meta":
        kind = "nested" if tensor.is_nested else str(tensor.layout)
        raise GuardViolation(
            f"Expected a tensor that holds its numbers one beside the other, got a {kind} one on "
            f"the device {tensor.device}"
        )
    last = tensor.storage_offset() + sum(
        (size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True)
    )
    held = tensor.untyped_storage().nbytes() // tensor.element_size()
    if tensor.numel() and last >= held:  # its storage was taken away: reading it ends the process
        raise GuardViolation(f"Expected a tensor with its numbers, got one of {held} of them")
    return tensor.cpu().contiguous().clone()


def _refuse(what: str, error: Exception) -> NoReturn:
    text = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    raise GuardViolation(f"{what}, got what raises {text}") from error
