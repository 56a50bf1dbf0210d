"""Whether the tensors of an artifact can be what its kind holds, before anything is built of them.

Sizes that an artifact claims are held against the tensors that are there: a model of a billion
classes is refused, not built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from robust_augcl.errors import ArtifactDamaged, shown
from robust_augcl.results import strict
from robust_augcl.results.stored_info import MOST_LAYERS, MOST_WEIGHTS, MOST_WIDTH
from robust_augcl.store.artifact import Artifact

_WHOLE = (torch.int32, torch.int64)


def need(holds: bool, expected: str) -> None:
    """Raise `ArtifactDamaged` unless what was expected of an artifact holds."""
    if not holds:
        raise ArtifactDamaged(f"Expected a stored {expected}")


# --- data sets ------------------------------------------------------------------------------------


def check_dataset(artifact: Artifact) -> None:
    """Raise `ArtifactDamaged` where the tensors are no graphs, targets and split.

    Checked are names, shapes, types and ranges; edges that stand in both directions, sorted, each
    once and within one graph; targets that stand in one part at the most.
    """
    of, count = artifact.tensors, artifact.info.get("num_classes")
    names = {"x", "edge_index", "ptr", "y", "train", "validation", "test"}
    target_names = {"target.graph", "target.y"}
    carried = {"edge_attr", "added_edge"}
    wanted = names.union(*(some for some in (target_names, carried) if of.keys() & some))
    need(
        of.keys() - {"target.node", "attacked"} == wanted,
        f"data set's tensors: {', '.join(sorted(wanted))}",
    )
    need(type(count) is int and 1 <= count <= strict.MOST_CLASSES, "data set's `num_classes`")
    x, ptr = of["x"], of["ptr"]
    need(x.dim() == 2 and x.is_floating_point(), "data set's `x`, features of nodes")
    need(bool(x.isfinite().all()), "data set's `x`, finite numbers")
    _check_numbers("ptr", ptr, x.size(0) + 1)
    need(ptr.numel() >= 1 and int(ptr[0]) == 0 and int(ptr[-1]) == x.size(0), "data set's `ptr`")
    need(bool((ptr.diff() >= 0).all()), "data set's `ptr`, offsets that ascend")
    num_graphs = ptr.numel() - 1
    _check_edges(of["edge_index"], ptr)
    if "edge_attr" in of:
        _check_attributes(of["edge_attr"], of["added_edge"], of["edge_index"])
    classes = of["y"]
    _check_numbers("y", classes, None if "target.y" in of else count, num_graphs)
    num_targets = num_graphs
    if "target.graph" in of:
        num_targets = _check_targets(of, ptr)
        classes = of["target.y"]
        _check_numbers("target.y", classes, count, num_targets)
    parts = [of[name] for name in ("train", "validation", "test")]
    for name, part in zip(("train", "validation", "test"), parts, strict=True):
        _check_numbers(name, part, num_targets)
    if "attacked" in of:
        _check_numbers("attacked", of["attacked"], num_targets)
        chosen = of["attacked"]
        ascend = bool((chosen.diff() > 0).all()) and bool(torch.isin(chosen, of["test"]).all())
        need(ascend, "data set's `attacked`, test targets, ascending")
    together = torch.cat(parts)
    need(together.unique().numel() == together.numel(), "data set's split: each target once")


def _check_numbers(name: str, of: Tensor, below: int | None, length: int | None = None) -> None:
    """Raise `ArtifactDamaged` unless these are whole numbers from 0, in one row, below a limit."""
    need(of.dim() == 1 and of.dtype == torch.int64, f"data set's `{name}`, whole numbers in a row")
    need(length in (None, of.numel()), f"data set's `{name}`, {length} numbers, got {of.numel()}")
    if of.numel() and below is not None:
        inside = int(of.min()) >= 0 and int(of.max()) < below
        need(inside, f"data set's `{name}`, numbers from 0 to {below - 1}")


def _check_edges(edges: Tensor, ptr: Tensor) -> None:
    """Raise `ArtifactDamaged` unless these are edges (2, E) as packed graphs hold them."""
    what = "data set's `edge_index`"
    need(edges.dim() == 2 and edges.size(0) == 2 and edges.dtype in _WHOLE, f"{what}, pairs")
    if not edges.numel():
        return
    num_nodes = int(ptr[-1])
    inside = int(edges.min()) >= 0 and int(edges.max()) < num_nodes
    need(inside, f"{what}, nodes from 0 to {num_nodes - 1}")
    source, target = edges.long()
    forth = source * num_nodes + target
    need(bool((forth.diff() > 0).all()), f"{what}, sorted, each once")
    need(torch.equal((target * num_nodes + source).sort().values, forth), f"{what}, both ways")
    need(not bool((source == target).any()), f"{what}, no node joined with itself")
    graph = torch.bucketize(source, ptr, right=True)
    need(torch.equal(graph, torch.bucketize(target, ptr, right=True)), f"{what}, within a graph")


def _check_attributes(of_edges: Tensor, added: Tensor, edges: Tensor) -> None:
    """Raise `ArtifactDamaged` unless edges (2, E) carry these attributes (E, A) both ways."""
    what = "data set's `edge_attr`"
    for name, tensor, dims in (("edge_attr", of_edges, 2), ("added_edge", added, 1)):
        is_float = tensor.dtype == torch.float32 and tensor.dim() == dims
        need(is_float, f"data set's `{name}`, 32-bit floats of {dims} axes")
        need(bool(tensor.isfinite().all()), f"data set's `{name}`, finite numbers")
    need(of_edges.shape == (edges.size(1), added.numel()), f"{what}, a row for each edge")
    source, target = edges.long()
    num_nodes = int(edges.max()) + 1 if edges.numel() else 0
    back = (target * num_nodes + source).argsort()  # where the other direction of each edge stands
    need(torch.equal(of_edges[back], of_edges), f"{what}, the same in both directions")


def _check_targets(of: Mapping[str, Tensor], ptr: Tensor) -> int:
    """How many targets there are; raises `ArtifactDamaged` unless they lie in the graphs."""
    graph = of["target.graph"]
    _check_numbers("target.graph", graph, ptr.numel() - 1)
    if "target.node" in of:
        node = of["target.node"]
        _check_numbers("target.node", node, None, graph.numel())
        inside = (node >= 0) & (node < ptr.diff()[graph])
        need(bool(inside.all()), "data set's `target.node`, nodes of their graphs")
    return graph.numel()


# --- victims --------------------------------------------------------------------------------------


def check_victim(info: Mapping[str, Any], model: Mapping[str, Tensor]) -> None:
    """Raise `ArtifactDamaged` where a model of that size cannot have these tensors.

    Args:
        info: of a victim's artifact.
        model: its tensors, by the names in the model.
    """
    sizes, is_linear = {}, "tried" in info
    for name, most in (
        ("width", MOST_WIDTH),
        ("in_features", MOST_WIDTH),
        *(() if is_linear else (("head_hidden", MOST_WIDTH),)),
        ("num_classes", strict.MOST_CLASSES),
        ("layers", MOST_LAYERS),
    ):
        value = info.get(name)
        if type(value) is not int or not 1 <= value <= most:
            raise ArtifactDamaged(
                f"Expected a stored victim's `{name}` to be a whole number from 1 to {most}, got "
                f"{shown(value)}"
            )
        sizes[name] = value
    widest = max((side for tensor in model.values() for side in tensor.shape), default=0)
    for name in ("width", "in_features"):
        need(
            sizes[name] <= widest,
            f"victim's tensors of `{name}` {sizes[name]}, got none so large",
        )
    weights = sizes["layers"] * sizes["width"] * max(sizes["width"], sizes["in_features"])
    need(weights <= MOST_WEIGHTS, f"victim of {MOST_WEIGHTS} weights at the most, got {weights}")
    if is_linear:
        weight = model.get("head.0.weight")
        shape = () if weight is None else tuple(weight.shape)
        need(len(shape) == 2 and shape[0] == sizes["num_classes"], "victim's linear head")
        return
    head = [model.get(f"head.{place}.weight") for place in (0, 2)]
    need(all(weight is not None and weight.dim() == 2 for weight in head), "victim's head")
    hidden, out = (tuple(weight.shape) for weight in head if weight is not None)
    need(
        hidden[0] == sizes["head_hidden"] and out == (sizes["num_classes"], sizes["head_hidden"]),
        f"victim's head of {sizes['head_hidden']} hidden and {sizes['num_classes']} classes, got "
        f"weights {hidden} and {out}",
    )
