"""Random graphs of nodes with classes, for tests of attacks on nodes."""

from __future__ import annotations

import numpy as np
import torch

from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.perturbations import Perturbation


def random_node_graph(
    nodes: int = 40, features: int = 6, classes: int = 3, seed: int = 0, degree: float = 4.0
) -> tuple[PackedGraphs, torch.Tensor]:
    """One connected graph (a cycle and random chords), and the class of each node (N,)."""
    draws = np.random.default_rng(seed)
    chords = np.triu(draws.random((nodes, nodes)) < (degree - 2) / nodes, 1)
    ring = np.arange(nodes)
    chords[np.minimum(ring, (ring + 1) % nodes), np.maximum(ring, (ring + 1) % nodes)] = True
    np.fill_diagonal(chords, False)
    edges = torch.from_numpy(np.stack((chords | chords.T).nonzero()))
    y = torch.from_numpy(draws.integers(0, classes, nodes))
    x = torch.from_numpy(draws.normal(size=(nodes, features))).float()
    x[:, :classes] += 1.5 * torch.nn.functional.one_hot(y, classes)
    graph = PackedGraphs(x, edges, torch.tensor([0, nodes]), torch.tensor([0]))
    return graph, y


def at_node(graph: PackedGraphs, node: int, y: int) -> PackedGraphs:
    """The one graph with one target node."""
    return PackedGraphs(
        graph.x, graph.edge_index, graph.ptr, torch.tensor([y]), torch.tensor([node])
    )


def candidates_at(graph: PackedGraphs, node: int) -> Candidates:
    """Every pair of a node with another one."""
    others = torch.cat([torch.arange(node), torch.arange(node + 1, graph.num_nodes)])
    pairs = torch.stack([others.clamp(max=node), others.clamp(min=node)])
    exists = graph.has_edges(pairs[0], pairs[1])
    return Candidates(torch.zeros_like(others), pairs, exists, 1, True)


def flips_by_gradient(
    victim: Victim, graph: PackedGraphs, node: int, y: int, edits: int
) -> Perturbation:
    """Flip the pair at a node that raises the loss of its class the fastest, edit by edit."""
    current = at_node(graph, node, y)
    for _ in range(edits):
        candidates = candidates_at(current, node)
        gradient = victim.edge_gradients(current, candidates, current.y).sum(1)
        gain = torch.where(candidates.exists, -gradient, gradient)
        best = candidates.pairs[:, gain.argmax()]
        current = current.flip(torch.tensor([0]), best.unsqueeze(1))
    clean = candidates_at(graph, node)
    changed = clean.exists != current.has_edges(clean.pairs[0], clean.pairs[1])
    return clean.perturbation(changed.nonzero().flatten())


def random_edits(
    targets: PackedGraphs, most: int, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """None to `most` flips of each target: of which target (K,), and pairs of nodes (2, K)."""
    draws = torch.Generator().manual_seed(seed)
    of, pairs = [], []
    for target, size in enumerate(targets.sizes.tolist()):
        every = torch.combinations(torch.arange(size)).T
        count = int(torch.randint(min(most, every.size(1)) + 1, (), generator=draws))
        some = torch.randperm(every.size(1), generator=draws)[:count]
        of.append(torch.full((count,), target))
        pairs.append(every[:, some])
    return torch.cat(of), torch.cat(pairs, dim=1)
