"""How a module that a user brings is called, and how its answer is read.

Letters: B graphs, N nodes, E directed edges, F features, C classes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from torch import Tensor, nn

from robust_augcl.errors import InputError, shown, unknown
from robust_augcl.models.given_source import name_of, source_of

ROLES = ("x", "edge_index", "batch", "edge_weight", "edge_attr", "num_graphs", "ptr", "data")
FEATURES = ("numbers", "integers", "integer", "none")
SCALES = ("logits", "probabilities")

Function = Callable[[nn.Module, Any], Tensor]
"""Calls a module with a `torch_geometric.data.Batch`, and returns its logits."""


@dataclass(frozen=True)
class Adapter:
    """How a module is called, where its signature does not say it, or says it wrongly.

    What is None is found out by the signature of `forward`, and by trying. A `role` says what a
    parameter is given:

    - "x": node features (N, F), "edge_index" (2, E), "batch": the graph of each node (N,),
    - "edge_weight" (E,), "edge_attr" (E, D): only where edges have them,
    - "num_graphs": B, "ptr": the first node of each graph (B + 1,),
    - "data": all of these as one `torch_geometric.data.Batch`.

    Args:
        positional: the roles of the arguments that are given by place.
        named: the roles of the arguments that are given by name: parameter -> role.
        weight: the attribute of "data" that carries edge weights.
        column: whether edge weights are given as (E, 1) and not as (E,).
        ones: whether edges without weights are given the weight 1, instead of None.
        features: what becomes of node features: "numbers" (as they are), "integers" (the same as
            whole numbers), "integer" (the first column as whole numbers (N,)), "none" (None is
            given instead of `x`).
        attributes: what becomes of edge attributes, in the same words.
        item: which part of the answer are the logits: a place in a tuple or a key of a dict. None:
            the answer itself, or the first part of a tuple or list.
        scale: "logits" (log-softmax is as good), or "probabilities", whose logarithms are taken.
        function: calls the module instead of all that. It takes the module and a `Batch`, and
            returns logits. It must be importable: a function of a module, no lambda.

    Raises:
        InputError: a field has a value that it cannot have.

    >>> Adapter(positional=("x", "edge_index"), named={"graph_of_node": "batch"}).scale
    'logits'
    >>> Adapter(scale="percent")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    robust_augcl.errors.InputError: Expected `scale` to be one of logits, probabilities, got ...
    """

    positional: tuple[str, ...] | None = None
    named: Mapping[str, str] | None = None
    weight: str = "edge_weight"
    column: bool = False
    ones: bool = False
    features: str | None = None
    attributes: str | None = None
    item: int | str | None = None
    scale: str = "logits"
    function: Function | None = None

    def __post_init__(self) -> None:
        if self.positional is not None:
            given: Any = self.positional  # JSON has lists only
            object.__setattr__(self, "positional", tuple(given) if type(given) is list else given)
        _require(self.positional is None or _are_roles(self.positional), self, "positional", ROLES)
        named = self.named
        _require(named is None or _are_named_roles(named), self, "named", ROLES)
        _require(type(self.weight) is str and self.weight.isidentifier(), self, "weight")
        for name in ("column", "ones"):
            value = getattr(self, name)
            _require(type(value) is bool, self, name, ("true", "false"))
        _require(self.features is None or self.features in FEATURES, self, "features", FEATURES)
        _require(
            self.attributes is None or self.attributes in FEATURES, self, "attributes", FEATURES
        )
        _require(self.item is None or type(self.item) in (int, str), self, "item")
        _require(self.scale in SCALES, self, "scale", SCALES)
        if self.function is not None:
            name_of_function(self.function)

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any], function: Function | None = None) -> Adapter:
        """Return the adapter of a table of a suite, of a command line, or of `settings`.

        There `function` is a name, `package.module:function`. Nothing is imported: who has the
        consent of the user hands over the `function` itself.

        Raises:
            InputError: an unknown field, a value that it cannot have, a function that is not handed
                over, or that is not the one of the settings.

        >>> Adapter.of_settings({"named": {"feats": "x"}}).named
        {'feats': 'x'}
        """
        known = [each.name for each in fields(cls)]
        for name in settings:
            if name not in [*known, "source"]:
                raise unknown("setting of an adapter", name, known)
        values = {name: value for name, value in settings.items() if name != "source"}
        wanted, source = values.pop("function", None), settings.get("source")
        if wanted is not None and function is None:
            raise InputError(
                f"Expected the adapter's function {shown(wanted)} to be handed over: nothing is "
                "imported that only a folder names"
            )
        if function is not None and (wanted is None or name_of_function(function) != wanted):
            raise InputError(
                f"Expected the adapter's function {shown(wanted)}, got "
                f"{shown(name_of_function(function))}"
            )
        if function is not None and source not in (None, source_of(function)):
            raise InputError(f"The source of the adapter's function {wanted} is another one now")
        return cls(**values, function=function)

    @property
    def settings(self) -> dict[str, Any]:
        """The adapter as JSON can hold it: of a function its name, and its source's digest."""
        values = asdict(replace(self, function=None))
        values["positional"] = None if self.positional is None else list(self.positional)
        values["named"] = None if self.named is None else dict(self.named)
        if self.function is not None:
            values["function"] = name_of_function(self.function)
            values["source"] = source_of(self.function)
        return values

    @property
    def roles(self) -> set[str]:
        """What the module is given."""
        return {*(self.positional or ()), *(self.named or {}).values()}


def _require(holds: bool, adapter: Adapter, name: str, known: tuple[str, ...] = ()) -> None:
    if not holds:
        among = f"one of {', '.join(known)}" if known else "a name"
        among = f"roles ({', '.join(known)})" if name in ("positional", "named") else among
        among = "a place or a key" if name == "item" else among
        raise InputError(f"Expected `{name}` to be {among}, got {shown(getattr(adapter, name))}")


def _are_roles(values: object) -> bool:
    return isinstance(values, tuple) and all(value in ROLES for value in values)


def _are_named_roles(values: object) -> bool:
    return isinstance(values, Mapping) and all(
        isinstance(name, str) and role in ROLES for name, role in values.items()
    )


# --- functions ------------------------------------------------------------------------------------


def name_of_function(function: Function) -> str:
    """The name of a function that can be imported: `package.module:function`, `file.py:function`.

    Raises:
        InputError: it cannot be: it is a lambda, or stands inside another function.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    found: Any = inspect.getmodule(function)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not module or found is not function:
        raise InputError(
            f"Expected `function` to be a function that can be imported, got {shown(function)}: "
            "define it at the top of a module"
        )
    return name_of(function)
