"""The names of bases and augmentations, for suites and for `robust-augcl list`.

Light: what lists them needs no torch.
"""

from __future__ import annotations

BASES = {
    "graphcl": "second views are augmented graphs (You et al. 2020); set `augmentations`",
    "grace": "two views of one graph, for its nodes (Zhu et al. 2020); set `drop_edges`, ...",
    "gca": "the same, less central edges and features dropped more often (Zhu et al. 2021)",
    "simgrace": "second views come from a perturbed encoder (Xia et al. 2022); set `perturbation`",
}
"""`pretraining.base` -> where second views come from."""

NODE_BASES = ("grace", "gca")
"""The bases for the nodes of one graph; the others are for graphs."""

AUGMENTATIONS = {
    "node_drop": "leave out a share `ratio` of the nodes",
    "edge_perturbation": "take away a share `ratio` of the edges, and put in as many new ones",
    "attribute_masking": "set the features of a share `ratio` of the nodes to 0",
    "subgraph": "keep a share `ratio` of the nodes, and one more, by a random walk",
}
"""`pretraining.augmentations`, each with its `name` and `ratio` -> what it does to a graph."""
