"""Functions, classes and constants that other code has replaced in place.

Looked at are this package, and what it computes with: PyTorch's functions, tensors and layers,
NumPy, Python's own. A function that is wrapped is looked at too: in a property, a class method or a
decorator. Of this package, constants are looked at too: names of modules that are written in
capitals, what such a dictionary, list or set holds, and attributes of classes. Other variables of
modules are not: what they hold may change while a step runs.

What was seen is kept in tuples, so code that reaches it cannot change it.
"""

from __future__ import annotations

import builtins
import json
import math
import operator
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from types import CellType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from robust_augcl.adversary.held import Container, changed, contents, fill

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
_CACHED = type(lru_cache(lambda: None))
# The last answer, where somebody works at a prompt; and what goes with the default dtype.
_MOVING = ("_", "Storage")
# A module's own name hides Python's of the same name.
_BUILT_IN = frozenset(vars(builtins)) - {"_"}

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
        values: of these what may not be replaced, with their names.
    """

    owner: Any
    names: tuple[str, ...]
    ids: tuple[int, ...]
    values: tuple[tuple[str, Any], ...]

    @property
    def is_as_it_was(self) -> bool:
        """Whether the same stands under each name; ids are compared, which takes no call for one.

        What may not be replaced is held in `values`, so nothing else can have its id.
        """
        now = vars(self.owner)
        return tuple(map(id, now.values())) == self.ids and tuple(now) == self.names


class Standing(NamedTuple):
    """Which functions, classes and constants stand where, for a comparison later.

    Args:
        modules: those that are loaded, by name and `id`.
        places: what stood in each module and class.
        functions: all that stand there or are wrapped.
        codes: the code that each of them had.
        cells: where decorators hold functions, and which.
        held: constants that can be changed in place, and what each of them held.
    """

    modules: tuple[tuple[str, ...], tuple[int, ...]]
    places: tuple[_Place, ...]
    functions: tuple[FunctionType, ...]
    codes: tuple[_Code, ...]
    cells: tuple[tuple[CellType, FunctionType], ...]
    held: tuple[tuple[Container, tuple[Any, ...]], ...]

    @classmethod
    def now(cls, looks_at: Callable[[str], bool] = lambda name: True) -> Standing:
        """What stands where now.

        Args:
            looks_at: by its name, whether a module of this package is looked at; each by default.
        """
        places = tuple(_place(owner) for owner in _owners(looks_at))
        functions = _functions(value for place in places for _, value in place.values)
        cells = (
            (cell, held)
            for function in functions
            for cell in function.__closure__ or ()
            if type(held := _held(cell)) is FunctionType
        )
        constants = (
            value
            for place in places
            if isinstance(place.owner, ModuleType) and _is_own(place.owner)
            for _, value in place.values
        )
        return cls(
            modules=_loaded(),
            places=places,
            functions=functions,
            codes=tuple(map(_code, functions)),
            cells=tuple(cells),
            held=contents(constants),
        )

    @property
    def is_up_to_date(self) -> bool:
        """Whether all that is looked at is as it was, down to variables, and no module came."""
        return (
            _loaded() == self.modules
            and all(place.is_as_it_was for place in self.places)
            and not self._other_codes()
            and not self._other_cells()
            and not changed(self.held)
        )

    def is_so(self) -> bool:
        """Whether all stand where they stood, with the code, or the content, that they had."""
        return not (
            self._changes() or self._other_codes() or self._other_cells() or changed(self.held)
        )

    def put_back(self) -> None:
        """Put each where it stood, with the code that it had."""
        for owner, name, value in self._changes():
            if value is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, value)
        for function, code in self._other_codes():
            function.__code__, function.__defaults__, function.__kwdefaults__ = code
        for cell, function in self._other_cells():
            cell.cell_contents = function
        for container, was in changed(self.held):
            fill(container, was)

    def _other_codes(self) -> list[tuple[FunctionType, _Code]]:
        """The functions that have other code or defaults now, each with those that it had."""
        return [
            (function, was)
            for function, now, was in zip(
                self.functions, map(_code, self.functions), self.codes, strict=True
            )
            if now[0] is not was[0] or now[1] is not was[1] or now[2] is not was[2]
        ]

    def _other_cells(self) -> list[tuple[CellType, FunctionType]]:
        """The places in which a decorator holds another function now, each with what it held."""
        return [(cell, held) for cell, held in self.cells if _held(cell) is not held]

    def _changes(self) -> list[tuple[Any, str, Any]]:
        """Owner, name and former value of what is another one now, or went, or came and hides one.

        What came to a class may hide what its bases have. What came to a module hides nothing,
        unless Python has the same name.
        """
        found = []
        for place in self.places:
            if place.is_as_it_was:
                continue
            owner, now = place.owner, vars(place.owner)
            found += [
                (owner, name, value)
                for name, value in place.values
                if now.get(name, _MISSING) is not value
            ]
            found += [
                (owner, name, _MISSING)
                for name in set(now) - set(place.names)
                if _hides(owner, name)
            ]
        return found


_kept: list[Standing] = []  # the last one: most of the time it is up to date


def standing() -> Standing:
    """What stands where now.

    Code runs before and after each attack to look at thousands of functions. So what was seen the
    last time is used again where nothing has changed.
    """
    if not (_kept and _kept[0].is_up_to_date):
        _kept[:] = [Standing.now()]
    return _kept[0]


def still_stands(before: Standing) -> bool:
    """Whether all stands as it did before.

    That is what is remembered from here on: code that ran may have put something else there.
    """
    _kept[:] = [before]
    return before.is_so()


def _place(owner: Any) -> _Place:
    found, own, is_class = dict(vars(owner)), _is_own(owner), isinstance(owner, type)
    values = (
        (name, value)
        for name, value in found.items()
        if name not in _MOVING
        and (
            callable(value)
            or (own and (is_class or name.isupper()))
            or (is_class and _is_bound(value))
        )
    )
    return _Place(owner, tuple(found), tuple(map(id, found.values())), tuple(values))


def _hides(owner: Any, name: str) -> bool:
    """Whether what came to a module or class may be found in the place of something else."""
    if not isinstance(owner, type):
        return name in _BUILT_IN
    if _is_bound(vars(owner)[name]):
        return True
    # Python itself adds names such as `__annotations__`, and only when somebody asks.
    is_pythons = name.startswith("__") and name.endswith("__")
    return _is_own(owner) and not is_pythons and any(name in vars(b) for b in owner.__mro__[1:])


def _is_bound(value: Any) -> bool:
    """Whether a class gives something else for it: a function, a property, a class method."""
    return hasattr(type(value), "__get__")


def _functions(values: Iterable[Any]) -> tuple[FunctionType, ...]:
    """The functions among these, and those that they wrap."""
    found: dict[int, FunctionType] = {}
    waiting, seen = list(values), set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if type(value) is FunctionType:
            found[id(value)] = value
        waiting += _wrapped(value)
    return tuple(found.values())


def _wrapped(value: Any) -> Iterator[Any]:
    """What a function holds of others, or a property, a class method, a cache."""
    if type(value) is FunctionType:
        yield from (h for cell in value.__closure__ or () if type(h := _held(cell)) is FunctionType)
    elif type(value) is property:
        yield from (value.fget, value.fset, value.fdel)
    elif type(value) in (classmethod, staticmethod):
        yield value.__func__
    elif type(value) is cached_property:
        yield value.func
    elif type(value) is _CACHED:
        yield value.__wrapped__


def _held(cell: CellType) -> Any:
    """What a function has from around it; nothing before it is there."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _loaded() -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The modules that are loaded, by name and `id`."""
    return tuple(sys.modules), tuple(map(id, sys.modules.values()))


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
    """Whether a module or class is of this package."""
    name = owner.__module__ if isinstance(owner, type) else owner.__name__
    return name.partition(".")[0] == _PACKAGE
