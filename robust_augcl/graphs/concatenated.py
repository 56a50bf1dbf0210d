"""Packed graphs of several parts as one set of tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs


def concatenate(parts: Sequence[PackedGraphs]) -> PackedGraphs:
    """Return the graphs of all parts, one part after the other.

    Raises:
        InputError: some parts with target nodes and some without, or with edge attributes; parts
            whose added edges carry different ones.
    """
    targets = [part.target_node for part in parts if part.target_node is not None]
    if len(targets) not in (0, len(parts)):
        raise InputError("Expected all graphs to have a target node or none, got some of each")
    attributes = [part.edge_attr for part in parts if part.edge_attr is not None]
    if len(attributes) not in (0, len(parts)):
        raise InputError("Expected all graphs to have edge attributes or none, got some of each")
    carried = [part.added_edge for part in parts if part.added_edge is not None]
    if any(not torch.equal(carried[0], other) for other in carried[1:]):
        raise InputError("Expected added edges to carry the same in all graphs, got different ones")
    offsets = [0]
    for part in parts:
        offsets.append(offsets[-1] + part.num_nodes)
    return PackedGraphs(
        torch.cat([part.x for part in parts]),
        torch.cat(
            [part.edge_index + offset for part, offset in zip(parts, offsets, strict=False)], dim=1
        ),
        torch.cat(
            [
                parts[0].ptr[:1],
                *[part.ptr[1:] + offset for part, offset in zip(parts, offsets, strict=False)],
            ]
        ),
        torch.cat([part.y for part in parts]),
        torch.cat(targets) if targets else None,
        torch.cat(attributes) if attributes else None,
        carried[0] if carried else None,
    )
