"""What single edits do in three rounds, as the bound on margins after pairs of edits needs it.

`pair_bounds` has the proof, and says what D, X and W are.

Letters: K edits, N nodes, H width, R rows (a node, and a tree that edits make of it), T trees of
one node, B some edits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import take
from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.models.relu_rounds import ReluRound
from robust_augcl.oracle.edits import Edits
from robust_augcl.oracle.pair_cost import Sizes, is_worth_it
from robust_augcl.oracle.states_alone import StatesAlone


class Round(NamedTuple):
    """What edits change in a round.

    Args:
        clean: pre-activations (N, H).
        node, edit: of each row, and one of the edits that make its tree (R,), (R,).
        change: of pre-activations (R, H).
        is_end: whether the node is an end of the edit (R,).
        row: of each node and edit, its row; R where the edit does not reach the node (N, K).
        tree: the same among the trees of the node, from 0 on; T where it is not reached (N, K).
        rows: of each node, the rows of its trees; R where there are fewer than T (N, T).
    """

    clean: Tensor
    node: Tensor
    edit: Tensor
    change: Tensor
    is_end: Tensor
    row: Tensor
    tree: Tensor
    rows: Tensor

    def by_tree(self, values: Tensor) -> Tensor:
        """Values of rows, zero where there is none: (R, H) -> (N, T, H)."""
        return with_zero(values)[self.rows]


@dataclass(frozen=True, eq=False)
class PairEffects:
    """What single edits of one graph do.

    Args:
        graph: the clean one.
        edits: K of them.
        sums: of the clean states (1, H).
        changes: of sums, by each edit (K, H).
        second, third: the rounds.
        sent: of each row of the second round, the change of what its node sends (R, H).
        tables: of each node of the second round, D of each two trees, times W (N, T, T, H).
        least, most: of each row of the third round, between what D lies without X (R, H).
    """

    graph: PackedGraphs
    edits: Edits
    sums: Tensor
    changes: Tensor
    second: Round
    third: Round
    sent: Tensor
    tables: Tensor
    least: Tensor
    most: Tensor

    @classmethod
    def of(
        cls,
        encoder: LocalEncoder,
        rounds: list[ReluRound],
        graph: PackedGraphs,
        edits: Edits,
        *,
        hidden: int = 0,
        wrong: int = 1,
    ) -> PairEffects | None:
        """What edits of one graph do, two at least; None where the tables would take too long.

        Args:
            encoder: in double precision.
            rounds: of the encoder, three of one matrix and relu each.
            graph: a clean one.
            edits: of it.
            hidden: units of the head that is to be bounded.
            wrong: classes but the true one.
        """
        alone = StatesAlone(encoder, graph, edits)
        by_node, last_by_node = _rows_of(alone, 1), _rows_of(alone, 2)
        sizes = Sizes(
            pairs=len(edits) * (len(edits) - 1) // 2,
            rows=_rows_of_pairs(by_node, edits) + _rows_of_pairs(last_by_node, edits),
            entries=graph.num_nodes * max(len(of.chosen) for of in by_node) ** 2,
            width=rounds[1].offset.size(1),
            hidden=hidden,
            wrong=wrong,
        )
        if not is_worth_it(sizes):
            return None
        second = _round(alone, 1, rounds[1], edits, by_node)
        third = _round(alone, 2, rounds[2], edits, last_by_node)
        messages, _ = alone.rounds[1].sent.with_room(0)
        tree = take(alone.rounds[1].tree, take(alone.base, second.edit) + second.node)
        sent = take(messages, tree) - take(messages, second.node)
        change = second.by_tree(second.change)
        clean = second.clean.unsqueeze(1).unsqueeze(1)
        tables = _second_difference(clean, change.unsqueeze(2), change.unsqueeze(1))
        sums = alone.oracle.clean_sums()
        return cls(
            graph,
            edits,
            sums,
            alone.sums - sums,
            second,
            third,
            sent,
            tables @ rounds[2].weight,
            *_ends_of(third),
        )


def with_zero(values: Tensor) -> Tensor:
    """Values (R, ...) and one more that is zero, which stands for what is not there."""
    return torch.cat([values, torch.zeros_like(values[:1])])


class _OfNode(NamedTuple):
    """The trees that edits make of a node.

    Args:
        node: its number.
        edits: those that reach it (B,).
        tree: of each of them, from 0 to T - 1 (B,).
        chosen: one edit of each tree (T,).
    """

    node: int
    edits: Tensor
    tree: Tensor
    chosen: Tensor


def _rows_of(alone: StatesAlone, place: int) -> list[_OfNode]:
    """The nodes that any edit reaches in the round at `place`."""
    after, size = alone.rounds[place], alone.base.numel()
    by_node = after.tree.view(size, -1).T.contiguous()
    found = []
    for node, trees in enumerate(by_node):
        edits = (trees != node).nonzero().squeeze(1)
        if edits.numel():
            keys, number = take(after.keys, take(trees, edits)).unique(return_inverse=True)
            chosen = torch.empty_like(keys).scatter_(0, number, edits)
            found.append(_OfNode(node, edits, number, chosen))
    return found


def _rows_of_pairs(by_node: list[_OfNode], edits: Edits) -> float:
    """How many nodes two edits reach both, on average, as if any two were as likely."""
    return sum((of.edits.numel() / len(edits)) ** 2 for of in by_node)


def _round(
    alone: StatesAlone, place: int, how: ReluRound, edits: Edits, by_node: list[_OfNode]
) -> Round:
    """The round at `place`, from what is sent after the one before it."""
    edit = torch.cat([of.chosen for of in by_node])
    node = torch.cat([torch.full_like(of.chosen, of.node) for of in by_node])
    before = alone.rounds[place - 1]
    sent, _ = before.sent.with_room(0)
    around = alone.oracle.around
    clean = embedding_bag(around.all_neighbours, sent, around.start, mode="sum") + how.offset
    count, neighbour = around.neighbours(node)
    base = take(alone.base, edit)
    tree = take(before.tree, torch.repeat_interleave(base, count) + neighbour).long()
    # As a difference of each message, so that what does not change is exactly zero.
    heard = take(sent, tree) - take(sent, neighbour)
    every = torch.arange(tree.numel(), device=tree.device)
    change = embedding_bag(every, heard, count.cumsum(0) - count, mode="sum")
    is_end = torch.zeros_like(node, dtype=torch.bool)
    for end, far_end in ((edits.i, edits.j), (edits.j, edits.i)):
        at = (take(end, edit) == node).nonzero().squeeze(1)
        is_end[at] = True
        across = take(sent, take(before.tree, take(base, at) + take(far_end, take(edit, at))))
        change[at] += across * take(edits.sign, take(edit, at)).unsqueeze(1)
    return Round(clean, node, edit, change, is_end, *_places(by_node, len(clean), len(edits)))


def _places(by_node: list[_OfNode], nodes: int, edits: int) -> tuple[Tensor, Tensor, Tensor]:
    """`row`, `tree` and `rows` of a round."""
    total, most = sum(len(of.chosen) for of in by_node), max(len(of.chosen) for of in by_node)
    some = by_node[0].tree
    row, tree = some.new_full((nodes, edits), total), some.new_full((nodes, edits), most)
    rows, start = some.new_full((nodes, most), total), 0
    for of in by_node:
        row[of.node, of.edits], tree[of.node, of.edits] = start + of.tree, of.tree
        count = len(of.chosen)
        rows[of.node, :count] = torch.arange(start, start + count, device=some.device)
        start += count
    return row, tree, rows


def _second_difference(clean: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """D where X is 0, of changes that broadcast (..., H)."""
    alone = clean + one
    return (alone + other).relu() - alone.relu() - ((clean + other).relu() - clean.relu())


def others(of: Round) -> tuple[Tensor, Tensor]:
    """Between what an edit lies that changes a node and does not end there (N, H), (N, H)."""
    change = of.change.masked_fill(of.is_end.unsqueeze(1), 0)
    return extremes(of, change)


def extremes(of: Round, change: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the most of a node's changes, or zero (N, H), (N, H)."""
    node, nothing = of.node.unsqueeze(1).expand_as(change), torch.zeros_like(of.clean)
    return (
        nothing.scatter_reduce(0, node, change, "amin"),
        nothing.scatter_reduce(0, node, change, "amax"),
    )


def _ends_of(of: Round) -> tuple[Tensor, Tensor]:
    """Between what D lies, without X, of each row and any other edit (R, H), (R, H).

    D is monotone in what the other edit changes: its slope along that is that of relu after the one
    edit, less that of relu before.
    """
    found = []
    for all_edits, not_ending in zip(extremes(of, of.change), others(of), strict=True):
        # Edits of a pair have no end in common.
        other = torch.where(
            of.is_end.unsqueeze(1), take(not_ending, of.node), take(all_edits, of.node)
        )
        found.append(_second_difference(take(of.clean, of.node), of.change, other))
    return torch.minimum(*found).clamp(max=0), torch.maximum(*found).clamp(min=0)
