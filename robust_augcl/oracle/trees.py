"""Distinct unfolding trees: what the oracles compute once for each of them.

A node's state after a round depends on its unfolding tree alone (see graphs/unfolding.py). A tree
is known by its key, a hash of 64 bits.

Letters: N nodes, R rows, K neighbours of rows, U distinct trees, H width of a state.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from robust_augcl.graphs.ragged import take
from robust_augcl.graphs.unfolding import mixed

_SALT = 0x9E3779B97F4A7C15
_FEATURE_SALT = 0xD1B54A32D192ED03


class Trees(NamedTuple):
    """The states after a round, one of each distinct tree.

    Args:
        key_sums: sums of the keys of the root's neighbours (U,). Before the first round there are
            no neighbours yet: then these are the keys.
        degree: of the root (U,).
        keys: of the trees (U,).
        states: of the roots (U, H).
        sent: the messages of the roots in the next round (U, H); none after the last round (0, F).
    """

    key_sums: Tensor
    degree: Tensor
    keys: Tensor
    states: Tensor
    sent: Tensor


class TreeKeys:
    """The keys of nodes' trees.

    Args:
        x: features of the nodes (N, F).
        by_degree: whether a state before the first round depends on the degree.
    """

    def __init__(self, x: Tensor, *, by_degree: bool) -> None:
        columns = mixed(torch.arange(x.size(1), device=x.device), _SALT)
        features = mixed(x.double().view(torch.int64) + columns, _FEATURE_SALT)
        self._of_features = mixed(features.sum(1), _FEATURE_SALT)
        self._by_degree = by_degree

    def before_first_round(self, node: Tensor, degree: Tensor) -> Tensor:
        """Keys of nodes before the first round: (R,), (R,) -> (R,)."""
        own = take(self._of_features, node)
        # Mixed once more: a node's own features are no neighbour's.
        return mixed(own + degree.long() if self._by_degree else own, _SALT)

    def after_round(self, node: Tensor, key_sums: Tensor) -> Tensor:
        """Keys of nodes after a round, from sums of their neighbours' keys: (R,), (R,) -> (R,)."""
        return mixed(key_sums + take(self._of_features, node), _SALT)


def segment_sums(values: Tensor, counts: Tensor) -> Tensor:
    """Sums of consecutive runs of integers, wrapping around: (K,), (R,) -> (R,).

    >>> segment_sums(torch.tensor([1, 2, 3, 4]), torch.tensor([3, 0, 1]))
    tensor([6, 0, 4])
    """
    running = torch.cat([values.new_zeros(1), values.cumsum(0)])
    last = counts.cumsum(0)
    return take(running, last) - take(running, last - counts)


def distinct_rows(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Choose rows (U,) that stand for all rows of their key; say which stands for each row (R,).

    Keys are 64-bit hashes of trees: among 100,000 different trees two share a key with a
    probability below 1e-9.

    The rows are found through a table of slots, which is faster than sorting. Where two keys fall
    into one slot, the rows of one of them stand for themselves: that costs time, and changes
    nothing.

    >>> chosen, stands = distinct_rows(torch.tensor([7, 5, 7]))
    >>> chosen, stands
    (tensor([1, 2]), tensor([1, 0, 1]))
    """
    bits = max(keys.numel(), 2).bit_length()
    slot = (keys >> (63 - bits)) + (1 << bits)
    rows = torch.arange(keys.numel(), device=keys.device)
    stands = (
        torch.empty(2 << bits, dtype=torch.long, device=keys.device)
        .scatter_(0, slot, rows)
        .index_select(0, slot)
    )
    stands = torch.where(take(keys, stands) == keys, stands, rows)
    chosen = stands == rows
    return chosen.nonzero().squeeze(1), take(chosen.cumsum(0) - 1, stands)
