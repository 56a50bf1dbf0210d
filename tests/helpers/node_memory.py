"""How much memory one epoch on a graph of random nodes takes: `python node_memory.py METHOD NODES`.

Prints the largest memory of the process, and what it was before the model, in MiB. METHOD is "loop"
for the plain loop over whole matrices, or a method's name.
"""

from __future__ import annotations

import resource
import sys

import torch

from robust_augcl import registry
from robust_augcl.contrast.node_pretrain import (
    NodeBatches,
    NodeContrastiveModel,
    NodePretraining,
    node_training,
    passes,
)
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.optimizer import adam


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_graph(nodes: int, features: int, degree: int) -> PackedGraphs:
    """A graph of so many nodes, with about `degree` neighbours each."""
    pairs = torch.randint(nodes, (2, nodes * degree // 2), generator=seeded(0))
    low, high = pairs.min(0).values, pairs.max(0).values
    keys = (low * nodes + high)[low != high].unique()
    both = torch.cat([keys // nodes, keys % nodes]), torch.cat([keys % nodes, keys // nodes])
    edges = torch.stack(both)
    edges = edges[:, (edges[0] * nodes + edges[1]).argsort()]
    x = (torch.rand(nodes, features, generator=seeded(1)) < 0.02).float()
    return PackedGraphs(x, edges, torch.tensor([0, nodes]), torch.zeros(1, dtype=torch.long))


def new(graphs: PackedGraphs, width: int, settings: NodePretraining):
    """A model, its optimizer, and views."""
    encoder = registry.load("encoder", "gcn_relu")(
        in_features=graphs.x.size(1), width=width, layers=2, generator=seeded(2)
    )
    model = NodeContrastiveModel(encoder, settings, seeded(3))
    return model, adam(model, 0.0005, 1e-5), NodeBatches(graphs, settings, seeded(4))


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(name: str, nodes: int, features: int, degree: int, width: int) -> None:
    torch.set_num_threads(1)
    graphs, settings = random_graph(nodes, features, degree), NodePretraining("grace")
    before = peak()
    model, optimizer, batches = new(graphs, width, settings)
    if name == "loop":
        from grace_by_hand import loss_of_whole_matrices

        first, second = batches.views.draw()
        loss = loss_of_whole_matrices(model(first), model(second), settings.temperature)
        loss.backward()
        optimizer.step()
    else:
        given = {"augcl": {"hidden": 32, "passes": 1}}.get(name, {})
        method = registry.load("method", name)(**given)
        objective = method.objective(width, settings.loss, seeded(5), "cpu")
        if objective.learns:
            objective.fit(lambda: passes(model, batches), seeded(6))
        node_training(model, optimizer, batches, 1, objective)
    print(f"{peak():.0f} {before:.0f}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
