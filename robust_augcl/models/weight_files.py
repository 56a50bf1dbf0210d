"""Files of weights: what they claim is held against what is there, before memory is taken for it.

A file may come from anybody. Its header may speak of more than it holds, two of its tensors may lie
in one place, and a few bytes may stand for many GB.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from robust_augcl.errors import InputError, cut, message_of, one_line, shown
from robust_augcl.models.saved_parts import MOST_WEIGHTS
from robust_augcl.models.saved_state import tensors_saved_in
from robust_augcl.results import strict

_LENGTH = 8  # bytes that say how long the header of a safetensors file is
_MOST_HEADER = 2**24
_MOST_TENSORS = 100_000
_MOST_AXES = 16
_WHOLE = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "I32": 4, "I64": 8}
_BYTES = {**_WHOLE, "F16": 2, "F32": 4, "F64": 8}
"""Types of tensors in safetensors files that can be stored -> bytes of a number."""
_CHECKPOINT = ("state_dict", "model_state_dict", "model", "model_state", "net")
"""Keys under which checkpoints of trainings hold a state dict."""
_KEYS = {"dtype", "shape", "data_offsets"}


# --- safetensors ----------------------------------------------------------------------------------


def of_safetensors(content: bytes) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        InputError: its header is none, or does not fit its content.

    >>> import torch
    >>> file = safetensors.torch.save({"weight": torch.ones(2)})
    >>> of_safetensors(file)["weight"].tolist()
    [1.0, 1.0]
    >>> of_safetensors(file[:-1])
    Traceback (most recent call last):
    robust_augcl.errors.InputError: Expected tensors of 8 bytes after its header, got 7 bytes
    """
    _check_header(content)
    try:
        return safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(
            f"Expected a safetensors file, got one that cannot be read: "
            f"{cut(message_of(error), 120)}"
        ) from None


def _check_header(content: bytes) -> None:
    """Raise `InputError` unless the tensors in the header are all of what follows, one by one."""
    there = len(content) - _LENGTH
    length = int.from_bytes(content[:_LENGTH], "little")
    if not 2 <= length <= there:
        raise InputError(
            "Expected a safetensors file, which begins with the length of its header, got a "
            f"header of {length} bytes in a file of {len(content)}"
        )
    if length > _MOST_HEADER:
        raise InputError(f"Expected a header of at most {_MOST_HEADER} bytes, got {length}")
    end = 0
    for first, last, name in sorted(_places(content[_LENGTH : _LENGTH + length])):
        if first != end:
            where = "shares bytes with another tensor" if first < end else "leaves a gap before it"
            raise InputError(
                f"Expected tensors that lie one after another, got one that {where}: {shown(name)}"
            )
        end = last
    if end != there - length:
        raise InputError(
            f"Expected tensors of {end} bytes after its header, got {there - length} bytes"
        )


def _places(text: bytes) -> Iterator[tuple[int, int, str]]:
    """Of each tensor in a header the first byte, the one after its last, and its name."""
    try:
        header = strict.parse(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"Expected a header in JSON, got another one: {one_line(error)}") from None
    if type(header) is not dict:
        raise InputError(f"Expected a header that names tensors, got {type(header).__name__}")
    said = header.pop("__metadata__", {})
    if type(said) is not dict or not all(type(each) is str for each in said.values()):
        raise InputError(f"Expected the metadata of the header to be texts, got {shown(said)}")
    if len(header) > _MOST_TENSORS:
        raise InputError(f"Expected at most {_MOST_TENSORS} tensors, got {len(header)}")
    for name, entry in header.items():
        yield _place(name, entry)


def _place(name: str, entry: Any) -> tuple[int, int, str]:
    if type(entry) is not dict or set(entry) != _KEYS:
        raise InputError(
            f"Expected `dtype`, `shape` and `data_offsets` of the tensor {shown(name)}, got "
            f"{shown(entry)}"
        )
    kind = entry["dtype"]
    if kind not in list(_BYTES):
        hint = "; `.float()` makes 32-bit floats of it" if kind == "BF16" else ""
        raise InputError(
            f"Expected the type of the tensor {shown(name)} to be one of {', '.join(_BYTES)}, got "
            f"{shown(kind)}{hint}"
        )
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _are_counts(shape, _MOST_AXES) or not _are_counts(offsets, 2) or len(offsets) != 2:
        raise InputError(
            f"Expected the shape of the tensor {shown(name)} to be at most {_MOST_AXES} whole "
            f"numbers and its `data_offsets` to be two, got {shown(shape)} and {shown(offsets)}"
        )
    first, last = offsets
    size = math.prod(shape) * _BYTES[kind]
    if last - first != size:
        raise InputError(
            f"Expected {size} bytes of the tensor {shown(name)}, by its shape and type, got "
            f"{last - first}"
        )
    return first, last, name


def _are_counts(values: Any, most: int) -> bool:
    """Whether these are at most so many whole numbers from 0, of a size that memory may have."""
    return (
        type(values) is list
        and len(values) <= most
        and all(type(each) is int and 0 <= each <= MOST_WEIGHTS for each in values)
    )


# --- what `torch.save` wrote ----------------------------------------------------------------------


def of_state_dict(content: bytes) -> Mapping[Any, Any]:
    """The state dict in a file that `torch.save` wrote. Nothing is unpickled.

    Raises:
        InputError: it holds something else, or would take more memory than a file may have.
    """
    state = tensors_saved_in(content)
    if not isinstance(state, Mapping):
        raise InputError(f"Expected a state dict, got {type(state).__name__}")
    for key in _CHECKPOINT:
        if isinstance(state.get(key), Mapping):
            raise InputError(
                f"Expected a state dict, got a checkpoint with one in {shown(key)}: save that "
                f"alone, `torch.save(checkpoint[{key!r}], ...)`"
            )
    # Tensors may share their numbers, or repeat one: each takes its own memory as soon as it is
    # copied.
    tensors = [each for each in state.values() if isinstance(each, Tensor)]
    size = sum(each.numel() * each.element_size() for each in tensors)
    if size > MOST_WEIGHTS:
        raise InputError(f"Expected tensors of at most {MOST_WEIGHTS} bytes, got {size}")
    return state
