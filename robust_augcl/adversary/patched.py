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
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

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

_Code = tuple[Any, Any, Any]
"""The code of a function, its defaults, and those of its keywords."""
_code = operator.attrgetter("__code__", "__defaults__", "__kwdefaults__")

# An optimizer's class gets its hooks with its first instance.
torch.optim.Adam([torch.zeros(1)])


class _Place(NamedTuple):
    """A module or class, and what stood in it.

    Args:
        owner: the module or class.
        names: all its names, in their order.
        ids: the `id` of what stood under each.
        values: of these what may not be replaced, by name.
    """

    owner: Any
    names: list[str]
    ids: list[int]
    values: dict[str, Any]

    @property
    def is_as_it_was(self) -> bool:
        """Whether the same stands under each name; ids are compared, which takes no call for one.

        What may not be replaced is held in `values`, so nothing else can have its id.
        """
        now = vars(self.owner)
        return list(map(id, now.values())) == self.ids and list(now) == self.names


class Standing:
    """Which functions, classes and constants stand where, for a comparison later.

    Args:
        looks_at: by its name, whether a module of this package is looked at; by default each is.
    """

    def __init__(self, looks_at: Callable[[str], bool] = lambda name: True) -> None:
        self._modules = _loaded()
        self._places = [_place(owner) for owner in _owners(looks_at)]
        functions = {
            id(value): value
            for place in self._places
            for value in place.values.values()
            if type(value) is FunctionType
        }
        self._functions = list(functions.values())
        self._codes = list(map(_code, self._functions))

    @property
    def is_up_to_date(self) -> bool:
        """Whether all that is looked at is as it was, down to variables, and no module came."""
        return (
            _loaded() == self._modules
            and all(place.is_as_it_was for place in self._places)
            and not self._other_codes()
        )

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
        for function, code in self._other_codes():
            function.__code__, function.__defaults__, function.__kwdefaults__ = code

    def _other_codes(self) -> list[tuple[FunctionType, _Code]]:
        """The functions that have other code or defaults now, each with those that it had."""
        return [
            (function, was)
            for function, now, was in zip(
                self._functions, map(_code, self._functions), self._codes, strict=True
            )
            if now[0] is not was[0] or now[1] is not was[1] or now[2] is not was[2]
        ]

    def _changes(self) -> list[tuple[Any, str, Any]]:
        """Owner, name and former value of what is another one now, or went, or came to a class.

        What came to a module does no harm: it hides nothing.
        """
        found = []
        for place in self._places:
            if place.is_as_it_was:
                continue
            owner, now = place.owner, vars(place.owner)
            found += [
                (owner, name, value)
                for name, value in place.values.items()
                if now.get(name, _MISSING) is not value
            ]
            if isinstance(owner, type):
                known = set(place.names)
                found += [
                    (owner, name, _MISSING)
                    for name in list(now)
                    if name not in known and hasattr(type(now[name]), "__get__")
                ]
        return found


_kept: list[Standing] = []  # the last one: most of the time it is up to date


def standing() -> Standing:
    """What stands where now.

    Code runs before and after each attack to look at thousands of functions. So what was seen the
    last time is used again where nothing has changed.
    """
    if not (_kept and _kept[0].is_up_to_date):
        _kept[:] = [Standing()]
    return _kept[0]


def _place(owner: Any) -> _Place:
    found, own = dict(vars(owner)), _is_own(owner)
    values = {
        name: value
        for name, value in found.items()
        if name not in _MOVING and (callable(value) or (own and name.isupper()))
    }
    return _Place(owner, list(found), list(map(id, found.values())), values)


def _loaded() -> tuple[list[str], list[int]]:
    """The modules that are loaded, by name and `id`."""
    return list(sys.modules), list(map(id, sys.modules.values()))


def _owners(looks_at: Callable[[str], bool]) -> list[Any]:
    """The modules and classes in which it is looked."""
    own = [
        module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == _PACKAGE and isinstance(module, ModuleType) and looks_at(name)
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
