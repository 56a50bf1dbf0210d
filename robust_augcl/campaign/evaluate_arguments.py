"""What the arguments of `evaluate` must be, so that a wrong type is a sentence and no traceback."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from torch import nn

from robust_augcl.adversary.attack_base import Attack
from robust_augcl.errors import InputError, shown
from robust_augcl.graphs.edge_attributes import Rule
from robust_augcl.models.adapter import Adapter
from robust_augcl.plan.suite_settings import Certificates

_DEVICES = ("auto", "cpu", "cuda")


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuse arguments of a wrong kind.

    Args:
        arguments: those that were stated, by name.

    Raises:
        InputError: one is of another kind than `evaluate` takes.

    >>> check_arguments({"seeds": 3})
    Traceback (most recent call last):
    robust_augcl.errors.InputError: Expected `seeds` to be a list of numbers, got 3
    """
    for name, value in arguments.items():
        if name in _KINDS:
            expected, holds = _KINDS[name]
            if not holds(value):
                raise InputError(f"Expected `{name}` to be {expected}, got {shown(value)}")


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _is_empty(value: Any) -> bool:
    return hasattr(value, "__len__") and len(value) == 0


def _are_models(value: Any) -> bool:
    listed = value.values() if isinstance(value, Mapping) else [value]
    return all(
        isinstance(each, nn.Module) or (isinstance(each, list | tuple) and each) for each in listed
    )


def _is_adapter(value: Any) -> bool:
    listed = value.values() if isinstance(value, Mapping) else [value]
    return all(each is None or isinstance(each, Adapter) for each in listed)


def _is_added_edge(value: Any) -> bool:
    if isinstance(value, str):
        return value in get_args(Rule)
    return isinstance(value, list | tuple) and all(
        type(each) in (int, float) and math.isfinite(each) for each in value
    )


def _is_count(value: Any) -> bool:
    return value is None or (type(value) is int and value > 0)


_GRAPHS = "graphs of PyTorch Geometric, or the name of a TU data set"
_KINDS = {
    "models": (
        "a torch.nn.Module, a list of trained copies of one, or a mapping of names to these",
        _are_models,
    ),
    "graphs": (_GRAPHS, lambda value: isinstance(value, Iterable) or hasattr(value, "ptr")),
    "fit": (
        f"{_GRAPHS}; of a TU data set by name, the share to learn on",
        lambda value: isinstance(value, Iterable | float | None) or hasattr(value, "ptr"),
    ),
    "attacks": (
        "a list of names of attacks or of attacks, or a mapping of labels to these, and not empty",
        lambda value: isinstance(value, Iterable | Attack) and not _is_empty(value),
    ),
    "seeds": (
        "a list of numbers",
        lambda value: value is None or (_is_list(value) and not _is_empty(value)),
    ),
    "out": (
        "a path",
        lambda value: value is None or (isinstance(value, str | Path) and str(value)),
    ),
    "budgets": ("a list of numbers", _is_list),
    "certificates": ("true, false or Certificates", lambda v: isinstance(v, bool | Certificates)),
    "adapter": ("an Adapter, or a mapping of names to these", _is_adapter),
    "edge_attributes": (
        "true, false or none",
        lambda value: value is None or isinstance(value, bool),
    ),
    "added_edge": (
        'one of "most_common", "mean", "zeros", or a list of finite numbers',
        _is_added_edge,
    ),
    "workers": ("a whole number above 0, or none", _is_count),
    "device": (f"one of {', '.join(_DEVICES)}", lambda value: value in _DEVICES),
    "archives": ("a folder", lambda value: isinstance(value, str | Path | None)),
    "name": ("text", lambda value: isinstance(value, str)),
    "data_name": ("text", lambda value: isinstance(value, str)),
}
"""Argument -> what it must be, in words and as a test."""
