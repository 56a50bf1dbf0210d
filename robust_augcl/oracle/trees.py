"""Distinct unfolding trees among the nodes that edits change: what the oracles compute once for
each.

Letters: M edits, R rows, K neighbours of rows, U distinct trees, H width of a state.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from robust_augcl.graphs.packed import take


class Trees(NamedTuple):
    """States after a round, one of each distinct tree.

    Args:
        key_sums, degree: what a state is made of, beside messages: its neighbours' trees, its
            degree (U,), (U,).
        keys, states, sent: its tree, the state, and its message in the next round (U,), (U, H), (U,
            H); nothing is sent after the last.
    """

    key_sums: Tensor
    degree: Tensor
    keys: Tensor
    states: Tensor
    sent: Tensor


class Reached(NamedTuple):
    """Nodes that edits reach in a round.

    Args:
        node, edit: of the rows (R,): the ends of edits, all i before all j, then the others, edit
            by edit.
        others: rows of each edit that are not its ends (M,).
        distinct: the tree of each row, a row of `Trees` (R,).
    """

    node: Tensor
    edit: Tensor
    others: Tensor
    distinct: Tensor


def segment_sums(values: Tensor, counts: Tensor) -> Tensor:
    """Sums of consecutive runs of integers, wrapping: (K,), (R,) -> (R,)."""
    running = torch.cat([values.new_zeros(1), values.cumsum(0)])
    last = counts.cumsum(0)
    return take(running, last) - take(running, last - counts)


def distinct_rows(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Rows that stand for all rows of the same key (U,), and for each row which of them stands for
    it (R,).

    Keys are 64-bit hashes of trees: among 100,000 different trees two share one with a probability
    below 1e-9.

    Through a table of slots, which is faster than sorting. Where two keys fall into one slot, the
    rows of one of them stand for themselves: that costs time, and changes nothing.
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
