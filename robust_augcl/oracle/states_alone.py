"""What each single edit of many makes of its graph's nodes: what the oracle for pairs starts from.

Letters: N nodes, M edits, P pairs of edits, R rows (a pair, and a node that both edits reach),
U distinct trees that single edits make, V nodes of graphs, one graph an edit, H width of a state,
S of sums.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges, take
from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.oracle.edits import Edits
from robust_augcl.oracle.pair_reach import Pairs, Rows
from robust_augcl.oracle.single_states import Changed, SingleOracle
from robust_augcl.oracle.trees import Trees


class TooManyTrees(Exception):
    """The single edits make more distinct trees than may be held at once."""


class Table:
    """Rows that stay (N, H), and room for others after them."""

    def __init__(self, rows: Tensor) -> None:
        self._many, self._room = rows.size(0), rows

    def with_room(self, many: int) -> tuple[Tensor, Tensor]:
        """Return the rows that stay with `many` rows after them, and a view of the latter alone.

        Others write to that view. It is theirs until the next call.
        """
        end = self._many + many
        if end > self._room.size(0):
            room = self._room.new_empty(2 * many, self._room.size(1))
            self._room = torch.cat([self._room[: self._many], room])
        return self._room[:end], self._room[self._many : end]


class Alone(NamedTuple):
    """Trees after a round: those of the clean nodes (N), then those that single edits make (U).

    Args:
        key_sums, degree, keys: as in `Trees` (N + U,).
        states, sent: as in `Trees` (N + U, H).
        tree: of each node after each edit, edit by edit (V,). It is the node's own number where
            the edit does not reach the node.
        base: the tree of node v after edit m stands at base[m] + v (M,).
    """

    key_sums: Tensor
    degree: Tensor
    keys: Tensor
    states: Table
    sent: Table
    tree: Tensor
    base: Tensor

    def trees_of(self, rows: Rows, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """The trees of rows after the one edit alone, and after the other (R,), (R,)."""
        of_one, of_other = (
            take(self.tree, take(take(self.base, edit), rows.pair) + rows.node)
            for edit in pairs.edits
        )
        return of_one, of_other

    def combined(self, values: Tensor, rows: Rows, either: tuple[Tensor, Tensor]) -> Tensor:
        """The value (N + U,) after the one edit, plus that after the other, less the clean one.

        Shapes: either two (R,), the trees of the rows -> (R,).
        """
        return take(values, either[0]).add_(take(values, either[1])).sub_(take(values, rows.node))


class StatesAlone:
    """The states that each of many single edits makes, by round.

    Args:
        encoder: in evaluation mode.
        graphs: the clean graphs.
        edits: one at least.

    Raises:
        TooManyTrees: the trees would take more memory than `Limits.tree_bytes`.
    """

    def __init__(self, encoder: LocalEncoder, graphs: PackedGraphs, edits: Edits) -> None:
        self.oracle = SingleOracle(encoder, graphs)
        """The oracle for single edits of these graphs."""
        size, low = graphs.sizes[edits.graph], graphs.ptr[edits.graph]
        self.base = size.cumsum(0) - size - low
        """See `Alone.base`."""
        clean = ranges(low, size).int()
        tables = [[trees] for trees in self.oracle.clean_rounds()]
        tree = [clean.clone() for _ in tables]
        rows = [graphs.num_nodes] * len(tables)
        sums, start, held = [self.oracle.clean_sums()[:0]], 0, 0
        for part in self.oracle.parts(edits):
            changed = list(self.oracle.rounds(part))
            base = self.base[start : start + len(part)]
            for place, (trees, reached, distinct) in enumerate(changed):
                at = take(base, reached.edit) + reached.node
                tree[place][at] = (distinct + rows[place]).int()
                tables[place].append(trees)
                rows[place] += trees.keys.numel()
            # Where features tell all nodes apart, there is a tree for each edit and node that it
            # reaches.
            held += _bytes(changed)
            if held > limits().tree_bytes:
                raise TooManyTrees
            sums.append(self.oracle.changed_sums(part, changed))
            start += len(part)
        self.rounds = [
            _joined(table, places, self.base) for table, places in zip(tables, tree, strict=True)
        ]
        """By round, as in the oracle's `numbers`."""
        self.sums = torch.cat(sums)
        """Summed node states after each edit (M, S)."""


def _bytes(changed: list[Changed]) -> int:
    """What the trees of all rounds take."""
    return sum(values.numel() * values.element_size() for one in changed for values in one.trees)


def _joined(tables: list[Trees], tree: Tensor, base: Tensor) -> Alone:
    key_sums, degree, keys, states, sent = (
        torch.cat(column) for column in zip(*tables, strict=True)
    )
    return Alone(key_sums, degree, keys, Table(states), Table(sent), tree, base)
