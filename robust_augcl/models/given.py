"""Modules that users bring: which of them this process knows.

A module is known by the digest of its source and by that of its structure. So a stored model finds
the module that it was made of, whoever has handed it to this process, and no other one.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from robust_augcl.errors import ConsentMissing, InputError, shown
from robust_augcl.models.adapter import Function
from robust_augcl.models.given_source import name_of, source_of
from robust_augcl.models.given_weights import weights_digest
from robust_augcl.models.identity import identity


class Known(NamedTuple):
    """What this process was handed for a stored model.

    Args:
        module: with any weights.
        function: that calls it, where its adapter has one.
    """

    module: nn.Module
    function: Function | None = None


class _By(NamedTuple):
    """What was handed to this process, by what it is, and by the label that it is for."""

    source: dict[tuple[str, str], Any]
    label: dict[str, Any]

    def put(self, key: tuple[str, str], value: Any, label: str | None) -> None:
        self.source[key] = value
        if label is not None:
            self.label[label] = value

    def get(self, key: tuple[str, str], label: str) -> Any:
        return self.source.get(key, self.label.get(label))


_modules, _functions = _By({}, {}), _By({}, {})
_weights: dict[str, dict[str, Tensor]] = {}


def remember(module: nn.Module, label: str | None = None) -> None:
    """Let stored models be made of this module in this process, and in those forked from it.

    Args:
        module: the user's, with any weights.
        label: of a given model that is made of it, whatever its source. Who proves results says
            where that is another.
    """
    own = identity(module)
    # The user may change theirs.
    _modules.put(own, copy.deepcopy(module), label)


def remember_function(function: Function, label: str | None = None) -> None:
    """Let stored models be called by this function; as `remember`."""
    _functions.put((name_of(function), source_of(function)), function, label)


def remember_weights(weights: Mapping[str, Tensor]) -> str:
    """Keep weights of a given model for the step that stores them; return their digest."""
    digest = weights_digest(weights)
    _weights[digest] = dict(weights)
    return digest


def known_weights(digest: str) -> dict[str, Tensor]:
    """The weights of that digest.

    Raises:
        InputError: this process was not handed them.
    """
    if digest not in _weights:
        raise InputError(
            "Expected the weights of a given model to be handed to this process, got none with the "
            f"digest {digest[:12]}..."
        )
    return _weights[digest]


class ModelMissing(ConsentMissing):
    """A stored model cannot be made, since nobody has handed its module to this process."""


def known_module(info: Mapping[str, Any]) -> Known:
    """The module of a stored model, and the function that calls it.

    Args:
        info: of the model: its "label", "made_by", "structure" and "found".

    Raises:
        ModelMissing: this process was not handed one of them.
    """
    label, made_by = info["label"], info["made_by"]
    module = _modules.get((made_by["source"], info["structure"]), label)
    if module is None:
        raise ModelMissing(
            f"Expected the module of the given model {shown(label)}, which is a "
            f"{shown(made_by['name'])}: pass --model LABEL=package.module:function, which returns "
            "it (in Python: robust_augcl.use_model)"
        )
    wanted = function_of(info["found"])
    function = None if wanted is None else _functions.get(wanted, label)
    if wanted is not None and function is None:
        raise ModelMissing(
            f"Expected the function {shown(wanted[0])}, which calls the given model "
            f"{shown(label)}: pass --adapter LABEL=package.module:function beside --model (in "
            "Python: robust_augcl.use_model(..., function=...))"
        )
    return Known(module, function)


def function_of(found: Mapping[str, Any]) -> tuple[str, str] | None:
    """The name of the function that calls a model, and its source's digest; None where none does.

    Args:
        found: what was found of the model. It may come from a file.
    """
    adapter = found.get("adapter")
    if not isinstance(adapter, Mapping) or adapter.get("function") is None:
        return None
    return str(adapter["function"]), str(adapter.get("source"))


def is_known(info: Mapping[str, Any]) -> bool:
    """Whether this process was handed the module of a stored model, and what calls it."""
    try:
        known_module(info)
    except ModelMissing:
        return False
    return True


def other_than(info: Mapping[str, Any], known: Known) -> list[str]:
    """What a stored model was made of that is not what was handed to this process, in words.

    Args:
        info: of the model, as for `known_module`.
        known: what was handed for it, maybe by its label alone.
    """
    here = identity(known.module)
    if here.source != info["made_by"]["source"]:
        return ["the source of the module that --model names is another one"]
    if here.structure != info["structure"]:
        return ["the module that --model names has other parts or settings"]
    function = known.function
    if function is None or (name_of(function), source_of(function)) == function_of(info["found"]):
        return []
    return ["the function that --adapter names is another one, or of other source"]


def hands_on() -> bool:
    """Whether this process knows modules that other processes can only get by a fork."""
    return bool(_modules.source)


def forget() -> None:
    """Forget all modules and weights that this process was handed."""
    for known in (*_modules, *_functions, _weights):
        known.clear()
