"""Connected components, by scipy.

Letters: N nodes, E directed edges.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
import torch
from torch import Tensor


def component_of_nodes(edge_index: Tensor, num_nodes: int) -> Tensor:
    """The connected component of each node, counted from 0: edges (2, E) -> (N,).

    >>> component_of_nodes(torch.tensor([[0, 2], [2, 0]]), 3).tolist()
    [0, 1, 0]
    """
    source, target = edge_index.cpu().numpy()
    adjacency = scipy.sparse.coo_matrix(
        (np.ones(len(source), dtype=np.int8), (source, target)), shape=(num_nodes, num_nodes)
    )
    _, labels = scipy.sparse.csgraph.connected_components(adjacency, directed=False)
    return torch.from_numpy(labels.astype(np.int64)).to(edge_index.device)
