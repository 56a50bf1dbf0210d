"""Functions, classes and constants that other code has replaced in place.

Looked at are this package, and what it computes with: PyTorch's functions, tensors and layers,
NumPy, Python's own. Of this package's modules, constants are looked at too: the names that are
written in capitals. Its other variables are not: what they hold may change while a step runs.
"""

from __future__ import annotations

import builtins
import json
import math
import operator
import random
import sys
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

_PACKAGE = "robust_augcl"
_OF_OTHERS: tuple[Any, ...] = (
    torch,
    torch.Tensor,
    torch.nn.functional,
    torch.nn.init,
    torch.linalg,
    torch.autograd,
    torch.autograd.Function,
    torch.optim.Adam,
    torch.optim.Optimizer,
    nn.Module,
    nn.Linear,
    nn.Sequential,
    nn.BatchNorm1d,
    nn.ReLU,
    np,
    np.random,
    np.linalg,
    math,
    operator,
    random,
    json,
    builtins,
)
_MISSING = object()
# The last answer, where somebody works at a prompt; and what goes with the default dtype.
_MOVING = ("_", "Storage")

_Codes = tuple[FunctionType, Any, Any, Any]
"""A function, its code, its defaults, and those of its keywords."""

# An optimizer's class gets its hooks with its first instance.
torch.optim.Adam([torch.zeros(1)])


class Standing:
    """Which functions, classes and constants stand where, for a comparison later."""

    def __init__(self) -> None:
        self._places = [(owner, dict(vars(owner))) for owner in _owners()]
        for _, values in self._places:
            for name in _MOVING:
                values.pop(name, None)
        # Thousands of functions, before and after each attack: nothing is called for one of them.
        self._codes = [
            (value, value.__code__, value.__defaults__, value.__kwdefaults__)
            for _, values in self._places
            for value in values.values()
            if type(value) is FunctionType
        ]

    def is_so(self) -> bool:
        """Whether all stand where they stood, with the code that they had."""
        return not self._changes() and not self._other_codes()

    def put_back(self) -> None:
        """Put each where it stood, with the code that it had."""
        for owner, name, value in self._changes():
            if value is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, value)
        for function, *code in self._other_codes():
            function.__code__, function.__defaults__, function.__kwdefaults__ = code

    def _other_codes(self) -> list[_Codes]:
        """The functions that have other code or defaults now, each with those that it had."""
        return [
            was
            for was in self._codes
            if was[0].__code__ is not was[1]
            or was[0].__defaults__ is not was[2]
            or was[0].__kwdefaults__ is not was[3]
        ]

    def _changes(self) -> list[tuple[Any, str, Any]]:
        """Owner, name and former value of what is another one now, or went, or came to a class.

        What came to a module does no harm: it hides nothing.
        """
        found = []
        for owner, values in self._places:
            now, own = vars(owner), _is_own(owner)
            for name, value in values.items():
                if now.get(name, _MISSING) is value:
                    continue
                if callable(value) or (own and name.isupper()):
                    found.append((owner, name, value))
            if isinstance(owner, type) and len(now) != len(values):
                found += [
                    (owner, name, _MISSING)
                    for name in list(now)
                    if name not in values and hasattr(type(now[name]), "__get__")
                ]
        return found


def _owners() -> list[Any]:
    """The modules and classes in which it is looked."""
    own = [
        module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == _PACKAGE and isinstance(module, ModuleType)
    ]
    classes = [
        value
        for module in own
        for value in list(vars(module).values())
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    return [*own, *classes, *_OF_OTHERS]


def _is_own(owner: Any) -> bool:
    return isinstance(owner, ModuleType) and owner.__name__.partition(".")[0] == _PACKAGE
