"""Probes of what the logits of a graph depend on besides it: other graphs, and orders.

Letters: B graphs, N nodes, E directed edges, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from robust_augcl.errors import message_of
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.agreement import same
from robust_augcl.models.asking import Asked
from robust_augcl.models.found import Probe

Ask = Callable[[PackedGraphs, Tensor], Tensor]
"""From packed graphs and edges (2, E) to logits (B, C)."""


@torch.no_grad()
def of_batches(asked: Asked, graphs: PackedGraphs, alone: Tensor) -> tuple[list[Probe], str | None]:
    """Whether graphs can be asked about together, and why not. `alone` (B, C): one by one."""
    graphs, alone = _with_mates(asked, graphs, alone)
    place = torch.arange(graphs.num_graphs, device=graphs.device)
    reason = _of_batches(asked, graphs, alone, place)
    turned = place.flip(0)
    other = reason or _of_batches(asked, graphs, alone, turned)
    if reason is None and other is not None:
        reason = "the logits of a graph depend on the order of the graphs in its batch"
    if reason is not None:
        words = f"{reason}; so graphs are asked about one by one, which is slower"
        norms = _norms_of_batches(asked)
        if norms and reason.startswith("the logits"):
            words += f". {norms} norms by the statistics of each batch: keep running statistics"
        name = "order of graphs" if reason.endswith("in its batch") else "batch mates"
        return [Probe(name, "failed", words)], reason
    return [
        Probe("batch mates", "passed", "the other graphs of a batch do not matter"),
        Probe("order of graphs", "passed", "the order of the graphs of a batch does not matter"),
    ], None


def _with_mates(asked: Asked, graphs: PackedGraphs, alone: Tensor) -> tuple[PackedGraphs, Tensor]:
    """The graphs with batch mates that differ from them, and what is said of each alone.

    Graphs may all be the same: there may be one only, and nodes as targets lie in one graph. Then
    statistics of a batch are those of each graph. So parts of the graphs stand beside them.
    """
    twice = torch.arange(graphs.num_graphs, device=graphs.device).repeat(2)
    both, is_mate = graphs.select(twice), torch.arange(2 * len(graphs)) >= len(graphs)
    is_mate = is_mate.to(graphs.device)
    for mates in (_with_half_of_the_nodes, with_half_of_the_edges):
        joined = mates(both, is_mate)
        try:
            said = asked.one_by_one(joined, joined.edge_index)
        except Exception:  # the module may need more nodes, or edges
            continue
        if said.shape[1:] == alone.shape[1:] and bool(said.isfinite().all()):
            return joined, torch.cat([alone, said[len(alone) :]])
    return both, alone[twice]


def _with_half_of_the_nodes(graphs: PackedGraphs, which: Tensor) -> PackedGraphs:
    """Some of the graphs (B,) have the first half of their nodes alone, and their target node."""
    number = torch.arange(graphs.num_nodes, device=graphs.device) - graphs.ptr[graphs.batch]
    keep = ~which[graphs.batch] | (2 * number < graphs.sizes[graphs.batch])
    if graphs.target_node is not None:
        keep[graphs.target_rows] = True
    return graphs.keep_nodes(keep)


def with_half_of_the_edges(graphs: PackedGraphs, which: Tensor) -> PackedGraphs:
    """Some of the graphs (B,) lack every second edge."""
    edges = graphs.edge_index
    keep = ~which[graphs.batch[edges[0]]] | (edges.sum(0) % 2 == 1)
    attributes = None if graphs.edge_attr is None else graphs.edge_attr[keep]
    return replace(graphs, edge_index=edges[:, keep], edge_attr=attributes)


def _of_batches(asked: Asked, graphs: PackedGraphs, alone: Tensor, place: Tensor) -> str | None:
    several = graphs.select(place)
    try:
        together = asked.together(several, several.edge_index)
    except Exception as error:
        if "batch" not in asked.adapter.roles and "data" not in asked.adapter.roles:
            return "`forward` takes no `batch`"
        return f"it fails with several graphs at once ({message_of(error)})"
    if not same(together, alone[place], asked.module):
        return "the logits of a graph depend on the other graphs of its batch"
    return None


def _norms_of_batches(asked: Asked) -> str:
    """The layers that norm by the batch also in evaluation mode."""
    found = [
        f"`{name}` ({type(each).__name__})"
        for name, each in asked.module.named_modules()
        if getattr(each, "track_running_stats", True) is False
        or (getattr(each, "track_running_stats", False) and each.training)
    ]
    return ", ".join(found[:3])


@torch.no_grad()
def of_orders(
    ask: Ask, asked: Asked, graphs: PackedGraphs, first: Tensor
) -> tuple[list[Probe], set[str]]:
    """Whether the orders of nodes and of edges matter, and which of them do: "nodes", "edges"."""
    draws = torch.Generator().manual_seed(0)
    lines, matter = [], set()
    nodes = _renumbered(graphs, draws)
    if _agrees(ask, asked, nodes, nodes.edge_index, first):
        lines.append(Probe("order of nodes", "passed", "the order of the nodes does not matter"))
    else:
        matter.add("nodes")
        words = (
            "its logits depend on the order of the nodes; edits are judged in the order in which "
            "each graph is given. If that is not meant, leave out what reads positions"
        )
        lines.append(Probe("order of nodes", "failed", words))
    shuffled = torch.randperm(graphs.edge_index.size(1), generator=draws).to(graphs.device)
    if _agrees(ask, asked, graphs, graphs.edge_index[:, shuffled], first):
        lines.append(Probe("order of edges", "passed", "the order of the edges does not matter"))
    else:
        matter.add("edges")
        words = (
            "its logits depend on the order of the edges, so gradient attacks are left out; edges "
            "are given sorted by source, then target. Sum over edges by `scatter`, whatever their "
            "order"
        )
        lines.append(Probe("order of edges", "failed", words))
    return lines, matter


def _agrees(
    ask: Ask, asked: Asked, graphs: PackedGraphs, edge_index: Tensor, first: Tensor
) -> bool:
    try:
        return same(ask(graphs, edge_index), first, asked.module)
    except Exception:  # it has answered for these graphs in another order
        return False


def _renumbered(graphs: PackedGraphs, draws: torch.Generator) -> PackedGraphs:
    """The same graphs, the nodes of each in another order."""
    keys = torch.rand(graphs.num_nodes, generator=draws, dtype=torch.double).to(graphs.device)
    order = torch.argsort(graphs.batch + keys)
    number = torch.empty_like(order).scatter_(0, order, torch.arange(len(order)).to(order.device))
    edges = number[graphs.edge_index]
    sort = torch.argsort(edges[0] * graphs.num_nodes + edges[1])
    attributes = None if graphs.edge_attr is None else graphs.edge_attr[sort]
    target = graphs.target_node
    if target is not None:
        target = number[graphs.target_rows] - graphs.ptr[:-1]
    return replace(
        graphs,
        x=graphs.x[order],
        edge_index=edges[:, sort],
        target_node=target,
        edge_attr=attributes,
    )


@torch.no_grad()
def of_small_graphs(asked: Asked, graphs: PackedGraphs) -> tuple[list[Probe], dict[str, str]]:
    """Whether a graph without edges, and one of one node, are answered; what else they raise."""
    one = graphs.select(graphs.sizes.argmax().reshape(1))
    attributes = None if one.edge_attr is None else one.edge_attr[:0]
    bare = replace(one, edge_index=one.edge_index[:, :0], edge_attr=attributes)
    keep = torch.zeros(one.num_nodes, dtype=torch.bool, device=one.device)
    keep[0 if one.target_node is None else int(one.target_node)] = True
    lines, fails = [], {}
    for kind, name, graph in (
        ("no edges", "a graph without edges", bare),
        ("one node", "a graph of one node", bare.keep_nodes(keep)),
    ):
        failure = _failure(asked, graph)
        if failure is None:
            lines.append(Probe(name, "passed", "it is answered"))
            continue
        fails[kind] = failure
        words = (
            f"it fails ({failure}). An attack that meets one ends with this word: leave out such "
            "graphs, and those that the allowed edits may make such"
        )
        lines.append(Probe(name, "failed", words))
    return lines, fails


def _failure(asked: Asked, graph: PackedGraphs) -> str | None:
    try:
        logits = asked.together(graph, graph.edge_index)
    except Exception as error:
        return message_of(error)
    return None if bool(logits.isfinite().all()) else "NaN or infinity"
