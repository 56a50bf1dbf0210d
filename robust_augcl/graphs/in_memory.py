"""Graphs that a user hands over in Python: this process keeps them until a step has stored them."""

from __future__ import annotations

import hashlib

from torch import Tensor

from robust_augcl.errors import InputError
from robust_augcl.graphs.entrance import Admitted
from robust_augcl.graphs.packed import PackedGraphs

_known: dict[str, Admitted] = {}


def graphs_digest(graphs: PackedGraphs) -> str:
    """The SHA-256 of graphs: of all their tensors."""
    state = hashlib.sha256()
    for name in ("x", "edge_index", "ptr", "y", "target_node", "edge_attr", "added_edge"):
        tensor: Tensor | None = getattr(graphs, name)
        if tensor is None:
            continue
        tensor = tensor.detach().cpu().contiguous()
        state.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        state.update(tensor.numpy().tobytes())
    return state.hexdigest()


def remember(found: Admitted) -> str:
    """Keep graphs that came in; return their digest."""
    digest = graphs_digest(found.graphs)
    _known[digest] = found
    return digest


def known(digest: str, label: str) -> Admitted:
    """The graphs of that digest.

    Raises:
        InputError: this process was not handed them.
    """
    if digest not in _known:
        raise InputError(
            f"Expected the graphs of {label!r} to be handed to this process, got none with the "
            f"digest {digest[:12]}...: they were given in Python, and a run's folder holds them"
        )
    return _known[digest]
