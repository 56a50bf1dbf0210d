"""Edge attributes and a module that a user brings: whether it takes them, and what becomes of them.

Letters: B graphs, E directed edges, A attributes of an edge, C classes.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.adapter import Adapter
from robust_augcl.models.agreement import same
from robust_augcl.models.asking import Asked
from robust_augcl.models.found import Probe
from robust_augcl.models.signatures import SYNONYMS, by_signature

ATTRIBUTES = "edge attributes"
"""The name of the probe."""
_UNUSED = ("edge_attr", "edge labels")  # in notes on data that came in


def takes_attributes(module: nn.Module, adapter: Adapter) -> bool:
    """Whether a module is given edge attributes where edges carry them.

    It is if its `forward` has a parameter for them, with or without a default, or takes a `Batch`,
    which holds them.

    >>> class Plain(nn.Module):
    ...     def forward(self, x, edge_index, batch, *, edge_attr=None): ...
    >>> takes_attributes(Plain(), Adapter()), takes_attributes(Plain(), Adapter(attributes="none"))
    (True, False)
    """
    roles = by_signature(module, adapter).roles
    return bool(roles & {"edge_attr", "data"}) and adapter.attributes != "none"


def needs_attributes(module: nn.Module, adapter: Adapter) -> bool:
    """Whether `forward` has a parameter for edge attributes that has no default."""
    if adapter.attributes == "none":
        return False
    if "edge_attr" in (adapter.positional or ()):
        return True
    named = [name for name, role in (adapter.named or {}).items() if role == "edge_attr"]
    parameters = inspect.signature(module.forward).parameters
    return any(
        name in parameters and parameters[name].default is inspect.Parameter.empty for name in named
    )


def refuse_missing(module: nn.Module, adapter: Adapter, graphs: PackedGraphs) -> None:
    """Refuse None for edge attributes that a module needs: many layers take it without a word."""
    if graphs.edge_attr is None and needs_attributes(module, adapter):
        raise InputError(
            "Expected edges with attributes for a `forward` that needs them, but its `edge_attr` "
            "is None, as the edges carry no attributes, or these are not used: they are used by "
            "`evaluate(..., edge_attributes=True)`, --edge-attributes, or `edge_attributes = true` "
            'in a suite; Adapter(attributes="none") gives None'
        )


@torch.no_grad()
def of_attributes(asked: Asked, graphs: PackedGraphs, first: Tensor, failed: str) -> list[Probe]:
    """What becomes of the attributes that edges carry; nothing where they carry none.

    Args:
        asked: how the module is asked.
        graphs: that it is probed with.
        first: its logits (B, C).
        failed: what it raised when it was given attributes, and is now not given them; or "".
    """
    if graphs.edge_attr is None:
        return []
    roles = asked.adapter.roles
    if failed:
        words = f"its `edge_attr` is left out, as it fails with those of the graphs ({failed})"
        return [Probe(ATTRIBUTES, "noted", words)]
    if not roles & {"edge_attr", "data"}:
        words = "they are not given to it: its `forward` has no parameter `edge_attr`"
        return [Probe(ATTRIBUTES, "noted", words)]
    if asked.adapter.attributes == "none":
        words = "they are not given to it, as its adapter says"
        return [Probe(ATTRIBUTES, "noted", words)]
    others = replace(graphs, edge_attr=_elsewhere(graphs))
    if same(asked.one_by_one(others, graphs.edge_index), first, asked.module):
        words = "they are given to it, but its logits do not depend on which edge carries which"
        return [Probe(ATTRIBUTES, "noted", words)]
    return [Probe(ATTRIBUTES, "passed", "they are given to it, and its logits depend on them")]


def _elsewhere(graphs: PackedGraphs) -> Tensor:
    """The attributes (E, A), each moved to the next edge; both directions still carry the same."""
    assert graphs.edge_attr is not None
    low, high = graphs.edge_index.aminmax(dim=0)
    pairs, pair = (low * graphs.num_nodes + high).unique(return_inverse=True)
    rows = graphs.edge_attr.new_zeros(len(pairs), graphs.edge_attr.size(1))
    rows[pair] = graphs.edge_attr
    return rows.roll(1, dims=0)[pair]


def left_out_of_data(module: nn.Module, adapter: Adapter, notes: Sequence[str]) -> list[Probe]:
    """A word where graphs carry attributes that nobody asked for, and the module takes some.

    Args:
        module: the module.
        adapter: what the user says of how it is called.
        notes: what was said of the graphs when they came in.
    """
    if not carried(notes) or not takes_attributes(module, adapter):
        return []
    names = [name for name, role in SYNONYMS.items() if role == "edge_attr"]
    own = [name for name in inspect.signature(module.forward).parameters if name in names]
    what = f"its `{own[0]}` is None" if own else "its `data` holds no `edge_attr`"
    words = (
        f"{what}: the graphs carry some, but they are not used; `edge_attributes = true` in the "
        "suite, --edge-attributes or `evaluate(..., edge_attributes=True)` uses them"
    )
    return [Probe(ATTRIBUTES, "noted", words)]


def carried(notes: Sequence[str]) -> bool:
    """Whether graphs carry attributes of edges that were not used when they came in.

    >>> carried(["not used: edge labels, pos"]), carried(["not used: pos"])
    (True, False)
    """
    unused = [note for note in notes if note.startswith("not used: ")]
    return any(name in note for note in unused for name in _UNUSED)
