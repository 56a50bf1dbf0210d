"""Weights of modules that users bring: from memory, from files, and into copies of the modules."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robust_augcl.errors import InputError, cut, message_of, shown
from robust_augcl.models.saved_parts import MOST_WEIGHTS
from robust_augcl.models.weight_files import of_safetensors, of_state_dict
from robust_augcl.validation import read_bytes

_WHOLE = ("bool", "uint8", "int8", "int16", "int32", "int64")
_WRAPPERS = {
    "module.": ("`DistributedDataParallel` or `DataParallel`", "`model.module.state_dict()`"),
    "_orig_mod.": ("`torch.compile`", "`model._orig_mod.state_dict()`"),
    "model.": ("Lightning or another wrapper", "`wrapper.model.state_dict()`"),
    "net.": ("a wrapper", "`wrapper.net.state_dict()`"),
}
"""What wrappers of modules put before all names -> who does so, and what to save instead."""
_TYPES = frozenset(getattr(torch, name) for name in (*_WHOLE, "float16", "float32", "float64"))
"""Types of tensors that artifacts hold."""


def weights_of(module: nn.Module, whose: str) -> dict[str, Tensor]:
    """The state dict of a module, as copies on the CPU.

    Args:
        module: the module.
        whose: names it in errors.

    Raises:
        InputError: something in it that is no dense tensor, of a type that cannot be stored, not
            there, or not finite.
    """
    return checked(module.state_dict(), whose)


def checked(state: Mapping[str, Any], whose: str) -> dict[str, Tensor]:
    """A state dict that can be stored, as copies on the CPU; otherwise as `weights_of`."""
    found = {}
    for name, value in state.items():
        if not isinstance(name, str):
            raise InputError(
                f"Expected the state dict of {whose} to have names as keys, got {shown(name)}"
            )
        if not isinstance(value, Tensor) or value.layout != torch.strided:
            kind = f"a {value.layout}" if isinstance(value, Tensor) else type(value).__name__
            raise InputError(
                f"Expected the state dict of {whose} to hold dense tensors, got {kind} in "
                f"{shown(name)}"
            )
        if nn.parameter.is_lazy(value) or value.is_meta:
            why = "is on the device `meta`: move the model to a real one before you save it"
            if nn.parameter.is_lazy(value):
                why = "is lazy: call the model once before you hand it over"
            raise InputError(
                f"Expected the weights of {whose} to be there, but {shown(name)} {why}"
            )
        _check_numbers(name, value, whose)
        found[name] = value.detach().cpu().clone().contiguous()
    return found


def _check_numbers(name: str, value: Tensor, whose: str) -> None:
    """Raise `InputError` unless these are numbers that can be stored."""
    if value.dtype not in _TYPES:
        known = ", ".join(sorted(str(each).removeprefix("torch.") for each in _TYPES))
        hint = "; `.float()` makes 32-bit floats of it" if value.is_floating_point() else ""
        raise InputError(
            f"Expected the weights of {whose} to be of the types {known}, got "
            f"{str(value.dtype).removeprefix('torch.')} in {shown(name)}{hint}"
        )
    if value.dtype == torch.bool and bool((value.contiguous().view(torch.uint8) > 1).any()):
        raise InputError(
            f"Expected the weights of {whose} to be true or false where they are of the type bool, "
            f"got other bytes in {shown(name)}"
        )
    if not bool(value.isfinite().all()):
        raise InputError(
            f"Expected finite weights of {whose}, got NaN or infinity in {shown(name)}"
        )


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """The SHA-256 of weights: of names, types, shapes and bytes.

    >>> weights_digest({"w": torch.ones(1)}) == weights_digest({"w": torch.zeros(1)})
    False
    """
    state = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        state.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        state.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read weights: safetensors, or a state dict that `torch.save` wrote. Nothing is unpickled.

    Raises:
        InputError: a file that cannot be read, or holds something else.
    """
    where = f"the weights {shown(str(path))}"
    try:
        content = read_bytes(path, MOST_WEIGHTS)
    except OSError as error:
        raise InputError(f"Cannot read {where}: {error.strerror or error}") from None
    read = of_safetensors if path.suffix == ".safetensors" else of_state_dict
    try:
        return checked(read(content), "the file")
    except InputError as error:
        raise InputError(f"Cannot read {where}: {error}") from None


def with_weights(module: nn.Module, weights: Mapping[str, Tensor], whose: str) -> nn.Module:
    """A copy of a module that has these weights, in their precision.

    PyTorch would round weights of 64 bits to a module's 32 without a word, and other numbers would
    come out.

    Raises:
        InputError: weights of another module, or a module that cannot be copied.
    """
    try:
        made = copy.deepcopy(module)
    except Exception as error:
        raise InputError(
            f"Expected a module that can be copied for {whose}, but `copy.deepcopy` raised "
            f"{cut(message_of(error), 120)}"
        ) from error
    own = {name: tuple(tensor.shape) for name, tensor in made.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if own != found:
        raise InputError(
            f"Expected weights of {whose} like those of its module, but {_difference(own, found)}"
        )
    for name, tensor in made.state_dict(keep_vars=True).items():
        if tensor.is_floating_point() and weights[name].is_floating_point():
            tensor.data = tensor.data.to(weights[name].dtype)
    made.load_state_dict(dict(weights))
    return made


def _difference(own: Mapping[str, object], found: Mapping[str, object]) -> str:
    """What the weights of a file (`found`) have that a module's own have not, by name and shape."""
    for prefix, (made_by, instead) in _WRAPPERS.items():
        if own == _without(prefix, found):
            return (
                f"all their names begin with {shown(prefix)}, as {made_by} writes them: save "
                f"{instead} instead, or take that away from the names"
            )
        if _without(prefix, own) == found:
            return (
                f"all names of the module begin with {shown(prefix)}, as {made_by} makes them: "
                "hand over the module inside of it"
            )
    names = sorted(name for name in {**own, **found} if own.get(name) != found.get(name))
    return (
        f"{shown(names[0])} is of shape {found.get(names[0], 'none')} instead of "
        f"{own.get(names[0], 'none')}, and {len(names) - 1} more differ"
    )


def _without(prefix: str, shapes: Mapping[str, object]) -> dict[str, object] | None:
    """The same without a prefix that all names have; None where one has it not."""
    if not shapes or not all(name.startswith(prefix) for name in shapes):
        return None
    return {name.removeprefix(prefix): shape for name, shape in shapes.items()}


def widened(weights: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Weights of a file in the precision of a module where that is the finer one.

    Files may hold half precision to be small. Nothing is rounded: where the file's precision is
    the finer one, it stays.

    >>> half = {"weight": torch.ones(1, 1).half(), "bias": torch.ones(1).double()}
    >>> [tensor.dtype for tensor in widened(half, nn.Linear(1, 1)).values()]
    [torch.float32, torch.float64]
    """
    own = module.state_dict()
    return {
        name: tensor.to(torch.promote_types(tensor.dtype, own[name].dtype))
        if name in own and tensor.is_floating_point() and own[name].is_floating_point()
        else tensor
        for name, tensor in weights.items()
    }
