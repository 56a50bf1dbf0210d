"""The attacks of DeepRobust on plain matrices: each returns the adjacency matrix that it made.

What it may hold, nobody checks here: the guard does, as of every attack's answer.

Letters: N nodes, C classes, K targets, P pairs of nodes.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from robust_augcl.adversary.deeprobust import answer, chance, library, outputs_of
from robust_augcl.adversary.plain_graph import PlainGraph

_FROM_HERE_NETTACK_IS_COMPILED = 500
"""Nodes. Compiling takes half a minute; without it, an edit takes a millisecond a node."""

# --- attacks on one target ------------------------------------------------------------------------


def fga(graph: PlainGraph, surrogate: nn.Module, target: int, edits: int) -> Any:
    """Fast gradient attack (Chen et al. 2018): flips at the target, one gradient each."""
    found = library().FGA(surrogate, nnodes=graph.num_nodes, device="cpu")
    known = np.union1d(graph.known, [target])
    return answer(found, graph.sparse_x, graph.adjacency, graph.y, known, target, edits)


def integrated_gradients(
    graph: PlainGraph, surrogate: nn.Module, target: int, edits: int, steps: int
) -> Any:
    """Integrated gradients (Wu et al. 2019): flips at the target. It takes N x steps gradients.

    It fails where fewer edits than asked for promise anything: then it is asked for those.
    """
    made = library().IGAttack(
        surrogate, nnodes=graph.num_nodes, attack_features=False, device="cpu"
    )
    known = np.union1d(graph.known, [target])
    given = graph.sparse_x, graph.adjacency, graph.y, known, target
    scored = made.calc_importance_edge
    held: list[np.ndarray] = []

    def scores(*args: Any) -> Any:
        held[:] = held or [scored(*args)]
        return held[0].copy()

    made.calc_importance_edge = scores
    for number in range(edits, 0, -1):
        try:
            return answer(made, *given, number, steps=steps)
        except Exception as error:  # of no narrower type
            if "No posisble perturbation" not in str(error):
                raise
    return graph.adjacency


def nettack(
    graph: PlainGraph, surrogate: nn.Module, target: int, edits: int, influencers: int = 0
) -> Any:
    """Nettack (Zuegner et al. 2018), of the structure: unnoticeable edits by a linear surrogate.

    It takes every node to have a neighbour, so nodes without any are left out. A target without
    any keeps its edges, none. Where no edit is unnoticeable, it makes fewer.

    Args:
        graph: the clean graph.
        surrogate: a GCN of DeepRobust without relu.
        target: the node that is attacked.
        edits: how many.
        influencers: neighbours at which the edits are; 0: at the target itself.
    """
    degree = np.asarray(graph.adjacency.sum(1)).ravel()
    inside = np.flatnonzero(degree)
    if degree[target] == 0:
        return graph.adjacency
    part = graph.adjacency[inside][:, inside]
    made = _nettack(surrogate, len(inside))
    place = int(np.searchsorted(inside, target))
    indirect = {"direct": False, "n_influencers": influencers} if influencers else {}
    with contextlib.suppress(_NothingLeft):
        made.attack(
            graph.sparse_x[inside], part, graph.y[inside], place, edits, verbose=False, **indirect
        )
    after = graph.adjacency.tolil()
    after[np.ix_(inside, inside)] = made.modified_adj
    return after.tocsr()


class _NothingLeft(Exception):
    """No edit is unnoticeable."""


def _nettack(surrogate: nn.Module, nodes: int) -> Any:
    """Nettack, whose inner loop is compiled for large graphs alone."""
    made = library().Nettack(
        surrogate, nnodes=nodes, attack_structure=True, attack_features=False, device="cpu"
    )
    module = sys.modules[type(made).__module__]
    for name in ("compute_new_a_hat_uv", "connected_after"):
        function = vars(module)[name]
        compiled = getattr(function, "compiled", function)
        plain = compiled.py_func
        plain.compiled = compiled
        vars(module)[name] = compiled if nodes >= _FROM_HERE_NETTACK_IS_COMPILED else plain
    entries = made.compute_new_a_hat_uv

    def checked(pairs: np.ndarray, target: int) -> Any:
        if not len(pairs):
            raise _NothingLeft
        return entries(pairs, target)

    made.compute_new_a_hat_uv = checked
    return made


def nettack_scores(
    graph: PlainGraph, surrogate: nn.Module, target: int, pairs: np.ndarray
) -> np.ndarray:
    """Nettack's score of single flips, by its incremental formula: the surrogate's margin (P,).

    Args:
        graph: without nodes that have no neighbours.
        surrogate: a GCN of DeepRobust without relu.
        target: whose margin it is.
        pairs: the nodes of each flip (P, 2).
    """
    made = _nettack(surrogate, graph.num_nodes)
    made.modified_adj, made.modified_features = graph.adjacency.tolil(), graph.sparse_x.tolil()
    made.adj_norm = library().utils.normalize_adj(made.modified_adj)
    made.W, made.label_u = made.get_linearized_weight(), int(graph.y[target])
    entries = made.compute_new_a_hat_uv(pairs.astype(np.int32), target)
    return np.asarray(made.struct_score(entries, made.modified_features @ made.W)).ravel()


def rnd(graph: PlainGraph, target: int, edits: int, generator: torch.Generator) -> Any:
    """RND (Zuegner et al. 2018): edges from the target to nodes of another known class.

    Where these are too few, it takes nodes of unknown class, and the target itself among them: so
    the target counts as known. It fails where there is none of another class: then the graph stays.
    """
    joined = graph.adjacency[[target]].toarray()[0, graph.known] > 0
    if not ((graph.y[graph.known] != graph.y[target]) & ~joined).any():
        return graph.adjacency
    known = np.union1d(graph.known, [target])
    with chance(generator):
        return answer(library().RND(), graph.adjacency, graph.y, known, target, edits)


# --- attacks on all at once -----------------------------------------------------------------------


def dice(graph: PlainGraph, edits: int, generator: torch.Generator) -> Any:
    """DICE (Waniek et al. 2018): delete within classes, connect between them, anywhere.

    It fails where no edge lies within a class, and never ends where too few pairs are left between
    classes. Then the graph stays.
    """
    rows, columns = graph.adjacency.nonzero()
    within = graph.y[rows] == graph.y[columns]
    sizes = np.bincount(graph.y)
    pairs_between = (graph.num_nodes**2 - (sizes**2).sum() - (~within).sum()) // 2
    if not within.any() or pairs_between < edits:
        return graph.adjacency
    with chance(generator):
        return answer(library().DICE(), graph.adjacency, graph.y, edits)


def random_edits(
    graph: PlainGraph,
    edits: int,
    kind: Literal["add", "remove", "flip"],
    generator: torch.Generator,
) -> Any:
    """Random: pairs of nodes added, removed or flipped, anywhere; all of them where there are few.

    Where more are asked for than there are, it would never end.
    """
    pairs, there = graph.num_nodes * (graph.num_nodes - 1) // 2, graph.adjacency.nnz // 2
    edits = min(edits, {"add": pairs - there, "remove": there, "flip": pairs}[kind])
    if edits == 0:
        return graph.adjacency
    with chance(generator):
        return answer(library().Random(), graph.adjacency, edits, type=kind)


def pgd(
    graph: PlainGraph,
    surrogate: nn.Module,
    targets: np.ndarray,
    edits: int,
    generator: torch.Generator,
    *,
    epochs: int = 200,
) -> Any:
    """PGD (Xu et al. 2019) on all pairs of nodes, against the cross-entropy of the targets (K,).

    Where none of its 20 samples keeps to the budget, it has no answer, and the graph stays.
    """
    made = library().PGDAttack(surrogate, nnodes=graph.num_nodes, device="cpu")
    with chance(generator):
        try:
            return answer(
                made, graph.x, graph.adjacency.toarray(), graph.y, targets, edits, epochs=epochs
            )
        except UnboundLocalError:
            return graph.adjacency


def metattack(
    graph: PlainGraph,
    surrogate: Any,
    targets: np.ndarray,
    edits: int,
    generator: torch.Generator,
    *,
    train_iters: int = 100,
    lambda_: float = 0.0,
) -> Any:
    """Metattack (Zuegner and Guennemann 2019): meta-gradients of a training on the graph."""
    outputs_of(surrogate, graph)
    settings = {"lambda_": lambda_, "train_iters": train_iters}
    with chance(generator):
        made = library().Metattack(
            surrogate, nnodes=graph.num_nodes, feature_shape=graph.x.shape, device="cpu", **settings
        )
        return answer(
            made,
            graph.x,
            graph.adjacency.toarray(),
            graph.y,
            graph.known,
            targets,
            edits,
            ll_constraint=False,
        )
