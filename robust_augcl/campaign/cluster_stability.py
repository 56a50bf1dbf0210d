"""How stable the two clusters of AUGCL's partition are, over sizes and data sets.

Letters: B graphs in a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score, silhouette_score
from torch import Tensor

from robust_augcl import registry
from robust_augcl.campaign.scaling import contrastive, drawn, partition, seeded
from robust_augcl.contrast.augment import Augmentation
from robust_augcl.contrast.losses import cosine_similarities
from robust_augcl.contrast.pretrain import (
    Batches,
    Pretraining,
    contrastive_training,
    embedded,
)
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.optimizer import adam
from robust_augcl.results.growth import Clusters

_EPOCHS = 10
_GRAPHS = 512
_COMPONENTS = ((15, 20), (40, 50), (90, 100), (190, 200))
_TU = ("MUTAG", "PROTEINS", "NCI1", "IMDB-BINARY", "DD")
_SETTINGS = Pretraining(
    batch_size=128,
    augmentations=(Augmentation("node_drop", 0.1), Augmentation("subgraph", 0.2)),
)


def clusters(archives: Path | None, scale: float) -> Iterator[Clusters]:
    """The stability of the clusters on component graphs, and on TU data where archives are given.

    Args:
        archives: a folder with `TUDataset/NAME.zip`; None: component graphs alone.
        scale: of the number of graphs.
    """
    most = max(40, round(_GRAPHS * scale))
    for nodes in _COMPONENTS:
        yield stability(f"components {nodes[0]}-{nodes[1]}", drawn(most, nodes))
    for name in _TU if archives is not None else ():
        source = registry.load("data source", "tu")(name=name)
        graphs = source.load(archives, seeded())
        order = torch.randperm(graphs.num_graphs, generator=seeded(1))[:most]
        yield stability(name, graphs.select(order))


def stability(name: str, graphs: PackedGraphs) -> Clusters:
    """Pretrain an encoder plainly, and look at the clusters of each anchor under two views."""
    model = contrastive(graphs)
    batches = Batches(graphs, _SETTINGS, seeded(11))
    contrastive_training(model, adam(model, 0.001), batches, _SETTINGS, _EPOCHS)
    # The order is drawn once: both passes hold the same graphs, under views of their own.
    passes = (embedded(model, batches), embedded(model, batches))
    rows: list[tuple[float, float, float]] = []
    for one, other in zip(*passes, strict=True):
        same_class = graphs.y[one.numbers].unsqueeze(1) == graphs.y[one.numbers].unsqueeze(0)
        similarity = cosine_similarities(one.z1, one.z2)
        second = partition(cosine_similarities(other.z1, other.z2))
        rows += of_batch(similarity, partition(similarity), second, same_class)
    means = np.array(rows).mean(0)
    return Clusters(name, len(rows), *(float(value) for value in means))


def of_batch(
    similarity: Tensor, first: Tensor, second: Tensor, same_class: Tensor
) -> Iterator[tuple[float, float, float]]:
    """Silhouette, agreement with classes, and between views, of each anchor without itself.

    Shapes: similarity, first, second, same_class, all (B, B).
    """
    for anchor in range(similarity.size(0)):
        others = torch.arange(similarity.size(1)) != anchor
        values, cluster, again, known = (
            table[anchor, others].numpy() for table in (similarity, first, second, same_class)
        )
        several = 1 < len(np.unique(cluster)) < len(cluster)
        yield (
            float(silhouette_score(values[:, None], cluster)) if several else 0.0,
            float(adjusted_rand_score(known, cluster)),
            float(adjusted_rand_score(cluster, again)),
        )
