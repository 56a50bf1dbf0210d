"""What tells a module that a user brings from others, whatever its weights.

Two digests: of the source of its classes, and of its structure. Whatever decides what a module
computes must be in one of them, or among its weights. Else results of one module would be taken for
those of another.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
import types
from collections.abc import Mapping, Set
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from robust_augcl import sources
from robust_augcl.models.code_text import function_in
from robust_augcl.models.given_source import (
    digest_of,
    has_version,
    is_library,
    is_of_python,
    is_plain,
    is_without_source,
    module_of,
    name_of,
    names_in,
    source_of,
    used_source,
)

_HOOKS = ("_forward_pre_hooks", "_forward_hooks")


class Identity(NamedTuple):
    """The digests of the source of a module's classes (`made_by`), and of its `structure`."""

    source: str
    structure: str


def identity(module: nn.Module) -> Identity:
    """What tells a module from others."""
    return Identity(made_by(module)["source"], structure(module))


# --- who made a module ----------------------------------------------------------------------------


def made_by(module: nn.Module) -> dict[str, str]:
    """Who made a module: "distribution" and "version" of its class, "name", and "source".

    The source is a digest of all classes that the module and its parts are of: of PyTorch's and of
    PyTorch Geometric's the version, of others the source of their module and of what it imports
    from its own package. Of a class of a script, a notebook or a file in no package it is the
    source of the class and of what it uses: from there, from other such files, and from packages
    that are not installed. It is the same, however that was imported. Where a source cannot be
    read, as at a prompt, it is the code of the class, and "name" says so.

    >>> found = made_by(nn.Linear(2, 2))
    >>> found["distribution"], found["name"]
    ('torch', 'torch.nn.modules.linear:Linear')
    """
    classes = {type(part) for part in module.modules()}
    lines = sorted(f"{name_of(cls)} {source_of(cls)}" for cls in classes)
    own = type(module)
    distribution, version = sources.distribution_of(own.__module__)
    by_code = f" (known by its code in Python {sys.version_info.major}.{sys.version_info.minor})"
    return {
        "distribution": distribution,
        "version": version,
        "name": name_of(own) + by_code * any(map(is_without_source, classes)),
        "source": digest_of("\n".join(lines)),
    }


# --- the parts of a module, and their settings ----------------------------------------------------


def structure(module: nn.Module) -> str:
    """The digest of a module's parts, and of whatever its attributes hold beside its weights.

    That is text, numbers, functions, tensors that are no weights, hooks, and what containers and
    objects of the user hold of these. What PyTorch and PyTorch Geometric keep for themselves, in
    attributes that begin with an underscore, is left out.

    >>> structure(nn.Dropout(0.5)) == structure(nn.Dropout(0.1))
    False
    """
    return digest_of(json.dumps(_parts(module, ()), sort_keys=True))


def _parts(module: nn.Module, around: tuple[int, ...]) -> list[Any]:
    """Path, class and settings of each part; `around` are the objects that it stands in, by id."""
    lines = []
    for path, part in module.named_modules(remove_duplicate=False):
        internal = _internal(type(part).__mro__)
        settings = {
            name: _told(value, (*around, id(module)))
            for name, value in sorted(vars(part).items())
            if name != "training" and name not in internal
        }
        kept = {
            name: _told(part._buffers.get(name), ())
            for name in sorted(part._non_persistent_buffers_set)
        }
        hooks = [_told(list(getattr(part, name).values()), around) for name in _HOOKS]
        closures = [
            _told(function_in(value), around)
            for _, value in sorted(vars(type(part)).items())
            if getattr(function_in(value), "__closure__", None) and not is_library(type(part))
        ]
        lines.append([path, name_of(type(part)), settings, kept, hooks, closures])
    return lines


@functools.cache
def _internal(bases: tuple[type, ...]) -> frozenset[str]:
    """The names with an underscore that the libraries' code for a class uses; it and its bases."""
    return frozenset(
        name
        for base in bases
        if is_library(base)
        for name in (*names_in(base), *getattr(base, "__annotations__", {}))
        if name.startswith("_")
    )


def _told(value: Any, around: tuple[int, ...]) -> Any:
    """What an attribute holds, as JSON can hold it.

    Args:
        value: what it holds.
        around: the objects that it stands in, by id: an object may hold itself.
    """
    if is_plain(value):
        return repr(value)
    if id(value) in around:
        return "itself"
    inside = (*around, id(value))
    if isinstance(value, Tensor):
        return _of_bytes(value.detach())
    if isinstance(value, np.ndarray) and value.dtype != object:
        return [str(value.dtype), value.shape, hashlib.sha256(value.tobytes()).hexdigest()]
    if isinstance(value, nn.Module):
        state = {name: _told(weights, inside) for name, weights in value.state_dict().items()}
        return [state, _parts(value, inside)]
    if isinstance(value, functools.partial):
        return [_told(each, inside) for each in (value.func, value.args, value.keywords)]
    if isinstance(value, types.MethodType):
        return [value.__name__, _told(value.__self__, inside)]
    if isinstance(value, Mapping):
        return [[repr(key), _told(each, inside)] for key, each in value.items()]
    if isinstance(value, list | tuple):
        return [_told(each, inside) for each in value]
    if isinstance(value, Set):
        return sorted(json.dumps(_told(each, inside), sort_keys=True) for each in value)
    return _told_object(value, inside)


def _told_object(value: Any, inside: tuple[int, ...]) -> Any:
    """The same of functions, classes and objects."""
    if isinstance(value, type):
        return name_of(value)
    if isinstance(value, types.BuiltinFunctionType) or is_library(value):
        return f"{value.__module__}.{getattr(value, '__qualname__', type(value).__qualname__)}"
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        code = _code(value) if value.__name__ == "<lambda>" else ""
        source = [value.__qualname__, _function_source(value), code]
        return [*source, _told([cells, value.__defaults__, value.__kwdefaults__], inside)]
    name, held = type(value).__qualname__, getattr(value, "__dict__", None)
    if held is None or is_library(type(value)) or is_of_python(type(value).__module__):
        text = repr(value)
        return [name, "" if " at 0x" in text else text]  # an address differs from run to run
    return [name, {key: _told(each, inside) for key, each in sorted(held.items())}]


def _function_source(function: types.FunctionType) -> str:
    """The digest of a function's source, and of what it uses; of its code where none is there."""
    module = module_of(function)
    if has_version(module):
        return " ".join(sources.distribution_of(module))
    try:
        return digest_of("\n".join(used_source(function)))
    except (OSError, SyntaxError, TypeError):
        return hashlib.sha256(function.__code__.co_code).hexdigest()


def _code(function: types.FunctionType) -> str:
    """The digest of the code of a lambda: of several in one line, the source is the same."""
    code = function.__code__
    constants = [each for each in code.co_consts if not isinstance(each, types.CodeType)]
    return digest_of(f"{code.co_code.hex()} {constants!r} {code.co_names}")


def _of_bytes(tensor: Tensor) -> list[Any]:
    if tensor.is_meta:
        return [str(tensor.dtype), tuple(tensor.shape)]
    if tensor.layout != torch.strided:
        return [str(tensor.layout), _of_bytes(tensor.to_dense())]
    content = tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return [str(tensor.dtype), tuple(tensor.shape), hashlib.sha256(content).hexdigest()]
