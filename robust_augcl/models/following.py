"""How the `forward` of a module becomes steps: it is followed with `torch.fx`.

What is not known is refused, with the reason.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, Literal, NamedTuple

import torch
import torch_geometric.nn
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate
from torch_geometric.nn import MessagePassing
from torch_geometric.nn.aggr import Aggregation

from robust_augcl.errors import message_of
from robust_augcl.models import known_parts as known
from robust_augcl.models.adapter import Adapter
from robust_augcl.models.calling import part_of
from robust_augcl.models.layered import Layered, Level, Ref, Step


class NotLayered(Exception):
    """A module that cannot be followed; the text says why."""


def layered(module: nn.Module, adapter: Adapter) -> Layered:
    """Follow a module in evaluation mode.

    Raises:
        NotLayered: something in it is not known.

    >>> from torch_geometric.nn import GCNConv, global_add_pool
    >>> class Two(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.one, self.two = GCNConv(1, 4), GCNConv(4, 2)
    ...     def forward(self, x, edge_index, batch):
    ...         return global_add_pool(self.two(self.one(x, edge_index).relu(), edge_index), batch)
    >>> adapter = Adapter(positional=("x", "edge_index", "batch"), named={}, features="numbers")
    >>> [(step.kind, step.reach) for step in layered(Two().eval(), adapter).steps[4:]]
    [('layer', 1), ('rows', 1), ('layer', 2), ('pool', -1)]
    """
    if adapter.function is not None:
        raise NotLayered("a function of its own calls it")
    if adapter.features == "none" or adapter.ones:
        raise NotLayered("it makes features, or needs edge weights, of its own")
    try:
        # A copy: what `forward` assigns to the module would be no tensors.
        graph = _Follower().trace(_Root(copy.deepcopy(module), adapter))
    except Exception as error:
        raise NotLayered(f"its `forward` cannot be followed ({message_of(error)})") from error
    try:
        return _read(module, adapter, graph)
    except NotLayered:
        raise
    except Exception as error:  # what reads it is ours, and less careful than its own code
        raise NotLayered(f"its steps cannot be read ({type(error).__name__})") from error


# --- following ------------------------------------------------------------------------------------


class _Root(nn.Module):
    """Calls the module as the adapter says, without weights and attributes."""

    def __init__(self, module: nn.Module, adapter: Adapter) -> None:
        super().__init__()
        self.module, self.adapter = module, adapter

    def forward(self, x: Any, edge_index: Any, batch: Any, num_graphs: Any) -> Any:
        given: dict[str, Any] = {"x": x, "edge_index": edge_index, "batch": batch}
        given["num_graphs"] = num_graphs
        given["data"] = SimpleNamespace(**given, edge_weight=None, edge_attr=None)
        given.update(edge_weight=None, edge_attr=None)
        missing = self.adapter.roles - set(given)
        if missing:
            raise NotLayered(f"it is given {', '.join(sorted(missing))}")
        named = {
            name: given[role]
            for name, role in (self.adapter.named or {}).items()
            if given[role] is not None
        }
        return self.module(*(given[role] for role in self.adapter.positional or ()), **named)


def _files_of(root: nn.Module) -> list[ModuleType]:
    """The files of the user's classes, as modules of Python; base classes may lie in others."""
    names = {cls.__module__ for each in root.modules() for cls in type(each).__mro__}
    libraries = ("torch", "torch_geometric", "builtins")
    own = sorted(name for name in names if name.partition(".")[0] not in libraries)
    return [sys.modules[name] for name in own if name in sys.modules]


class _Follower(fx.Tracer):
    """Follows a module down to layers, to what works row by row, and to pools."""

    def __init__(self) -> None:
        pools = [each for each in known.POOLS if not isinstance(each, type)]
        super().__init__(autowrap_functions=tuple(pools))
        self._pools = pools
        # Where functions are looked for by their names, besides the module that names them.
        self._autowrap_search.extend([torch_geometric.nn, torch_geometric.nn.pool])

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        leaf = isinstance(m, MessagePassing | Aggregation) or known.is_by_row(m)
        return leaf or super().is_leaf_module(m, module_qualified_name)

    def trace(self, root: Any, concrete_args: dict[str, Any] | None = None) -> fx.Graph:
        self._autowrap_search.extend(_files_of(root))
        with self._pools_as_attributes(root):
            return super().trace(root, concrete_args)

    @contextmanager
    def _pools_as_attributes(self, root: nn.Module) -> Iterator[None]:
        """Let pools that are attributes of modules leave a trace, as global names do."""
        held = [
            (vars(module), name, value)
            for module in root.modules()
            for name, value in vars(module).items()
            if callable(value) and any(value is pool for pool in self._pools)
        ]
        called = Aggregation.__call__
        try:
            for attributes, name, value in held:
                attributes[name] = self._traced(value)
            # Its own looks at the values that it is given.
            Aggregation.__call__ = lambda module, *args, **named: nn.Module.__call__(
                module, *args, **named
            )
            yield
        finally:
            Aggregation.__call__ = called
            for attributes, name, value in held:
                attributes[name] = value

    def _traced(self, function: Any) -> Callable[..., Any]:
        return lambda *args, **named: self.create_proxy("call_function", function, args, named)


# --- reading --------------------------------------------------------------------------------------


class _Seen(NamedTuple):
    """What is known of a node of the graph: its step, and whether it is a tuple of values."""

    step: int
    is_tuple: bool = False


def _read(module: nn.Module, adapter: Adapter, graph: fx.Graph) -> Layered:
    """Read the steps off a graph."""
    reader = _Reader(module)
    for node in graph.nodes:
        if node.op == "output":
            answer = part_of(adapter, node.args[0])
            if not isinstance(answer, fx.Node) or answer not in reader.seen:
                raise NotLayered("its answer is not a value that can be followed")
            number = reader.seen[answer].step
            if reader.steps[number].level != "graphs":
                raise NotLayered("its answer is not made of a pooling over the nodes")
            return Layered(module, adapter, tuple(reader.steps), number)
        reader.read(node)
    raise NotLayered("it has no answer")


class _Reader:
    """Makes steps of the nodes of a graph."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self.steps: list[Step] = []
        self.seen: dict[fx.Node, _Seen] = {}

    def read(self, node: fx.Node) -> None:
        """Add the step of one node."""
        step = getattr(self, f"_{node.op}")(node)
        is_tuple = node.op == "call_method" and node.target == "max"
        self.seen[node] = _Seen(len(self.steps), is_tuple)
        self.steps.append(step)

    def _placeholder(self, node: fx.Node) -> Step:
        levels: dict[str, Level] = {"x": "nodes", "edge_index": "edges", "batch": "batch"}
        levels["num_graphs"] = "count"
        return Step("given", levels[str(node.target)], str(node.target))

    def _get_attr(self, node: fx.Node) -> Step:
        name = str(node.target).removeprefix("module").removeprefix(".")
        if not str(node.target).startswith("module."):
            raise NotLayered("it uses a tensor that is no parameter, buffer or attribute of it")
        return Step("constant", "constant", name)

    def _call_module(self, node: fx.Node) -> Step:
        name = str(node.target).removeprefix("module").removeprefix(".")
        part = self._module.get_submodule(name)
        if isinstance(part, MessagePassing):
            return self._layer(node, name, part)
        if type(part) in known.POOLS:
            if known.is_changed(part):
                raise NotLayered(f"{_words(name, part)} has hooks, or methods that were replaced")
            return self._pool(node, name, "module")
        if not known.is_by_row(part):
            raise NotLayered(f"{_words(name, part)} is not known to work row by row")
        return self._rows(node, name, "module")

    def _call_function(self, node: fx.Node) -> Step:
        if any(node.target is pool for pool in known.POOLS):
            return self._pool(node, node.target, "function")
        return self._rows(node, node.target, "function")

    def _call_method(self, node: fx.Node) -> Step:
        return self._rows(node, str(node.target), "method")

    def _layer(self, node: fx.Node, name: str, layer: MessagePassing) -> Step:
        words = _words(name, layer)
        if type(layer) not in known.LAYERS:
            raise NotLayered(f"of {words} it is not known how far an edge reaches")
        reason = known.refused_layer(layer)
        if reason is not None:
            raise NotLayered(f"of {words} it is not known how far an edge reaches: {reason}")
        given = [*node.args, *(value for value in node.kwargs.values() if value is not None)]
        levels = [self._level_of(value) for value in given if value is not None]
        if levels != ["nodes", "edges"] or self._is_tuple(given[0]):
            raise NotLayered(f"{words} is given something besides states and the module's edges")
        states = self._ref(given[0])
        before = self.steps[states.step].reach
        reach = max(before, 0 if known.uses_degrees(layer) else -1) + 1
        edges = self._ref(given[1])
        return Step("layer", "nodes", name, "module", (states, edges), None, reach)

    def _pool(self, node: fx.Node, target: Any, of: Literal["module", "function"]) -> Step:
        given = [*node.args, *(value for value in node.kwargs.values() if value is not None)]
        given = [value for value in given if value is not None]
        levels = [self._level_of(value) for value in given]
        if levels[2:] == ["count"] and of == "function":
            levels = levels[:2]
        if levels != ["nodes", "batch"] or self._is_tuple(given[0]):
            raise NotLayered("a pooling is given something besides states and `batch`")
        return Step("pool", "graphs", target, of, tuple(self._ref(each) for each in given))

    def _rows(
        self, node: fx.Node, target: Any, of: Literal["module", "function", "method"]
    ) -> Step:
        words = f"`{target if isinstance(target, str) else getattr(target, '__name__', target)}`"
        taken: list[fx.Node] = []
        both = (node.args, dict(node.kwargs))
        map_aggregate(both, lambda a: taken.append(a) if isinstance(a, fx.Node) else None)
        levels = {self._level_of(each) for each in taken}
        rows = levels & {"nodes", "graphs"}
        parts = self._parts_of_tuple(node, taken)
        if of != "module" and not parts:
            if not known.is_function_by_row(target, node.args, node.kwargs):
                raise NotLayered(f"{words} is not known to work row by row")
            if any(self._is_tuple(each) for each in taken):
                raise NotLayered(f"{words} is given a tuple")
        if len(rows) != 1 or levels - {"nodes", "graphs", "constant"}:
            raise NotLayered(f"{words} brings together what belongs to nodes, graphs or edges")
        if target is torch.nn.functional.linear:
            if [self._level_of(each) == "constant" for each in taken] != [False] + [True] * (
                len(taken) - 1
            ):
                raise NotLayered(f"{words} is given states as a matrix")
        elif not all(map(self._is_one_row, taken)):
            raise NotLayered(f"{words} takes a constant of several rows")
        in_place = _in_place(self._module, target, of, node)
        if in_place:
            self._refuse_later_use(node, words)
        change: Any = lambda a: self._ref(a) if isinstance(a, fx.Node) else a  # noqa: E731
        args, named = map_aggregate(both, change)
        reach = max(self.steps[self.seen[each].step].reach for each in taken)
        level: Level = "nodes" if "nodes" in rows else "graphs"
        target = known.out_of_place(target)
        return Step("rows", level, target, of, tuple(args), dict(named), reach, in_place)

    def _parts_of_tuple(self, node: fx.Node, taken: list[fx.Node]) -> bool:
        """Whether a node takes a part of a tuple of values."""
        name = getattr(node.target, "__name__", "")
        return name == "getitem" and self._is_tuple(taken[0]) and type(node.args[1]) is int

    def _is_one_row(self, node: fx.Node) -> bool:
        """Whether a constant is the same for all rows."""
        step = self.steps[self.seen[node].step]
        if step.level != "constant":
            return True
        holder, _, attribute = step.target.rpartition(".")
        value = getattr(self._module.get_submodule(holder), attribute)
        return not isinstance(value, Tensor) or value.dim() < 2

    def _refuse_later_use(self, node: fx.Node, words: str) -> None:
        """Refuse what changes a value in place that is used after it."""
        changed = node.args[0]
        if isinstance(changed, fx.Node):
            order = list(node.graph.nodes)
            if any(order.index(user) > order.index(node) for user in changed.users):
                raise NotLayered(f"{words} changes a value in place that is used later")

    def _level_of(self, value: Any) -> str:
        if not isinstance(value, fx.Node):
            return "python"
        if value not in self.seen:
            raise NotLayered("it uses a value that cannot be followed")
        return self.steps[self.seen[value].step].level

    def _is_tuple(self, value: Any) -> bool:
        return isinstance(value, fx.Node) and self.seen[value].is_tuple

    def _ref(self, value: Any) -> Ref:
        return Ref(self.seen[value].step)


def _words(name: str, part: nn.Module) -> str:
    """A part by name and type; the module itself has no name."""
    return f"`{name}` ({type(part).__name__})" if name else type(part).__name__


def _in_place(module: nn.Module, target: Any, of: str, node: fx.Node) -> bool:
    """Whether a step changes what it is given."""
    if of == "module":
        inside = module.get_submodule(target).modules()
        return any(getattr(each, "inplace", False) for each in inside)
    return known.out_of_place(target) is not target or bool(node.kwargs.get("inplace", False))
