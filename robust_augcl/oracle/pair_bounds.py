"""A lower bound on the margin after every pair of edits of a graph, with its proof.

It takes a few operations a pair, so that the oracle for pairs is asked about few of them. It holds
for encoders of three rounds of one matrix and relu each (structure2vec), and for two edits that
have no end in common. Of other pairs it says nothing.

**The second difference.** Of an edit e and another one f, let D_l(v) be the state of node v after
round l with both edits, less that with e, less that with f, plus the clean one; X_l(v) the same of
pre-activations. The sum of the last states is then exactly

    z(e, f) = z(e) + z(f) - z + sum over v of D_3(v).

An edit changes states of its ends alone in round 1. So D_1 = 0 if no end is common, and X_2 = 0:
what comes along an edge of e changes by f only if f has an end there. With p, a, b the clean
pre-activation and how e and f change it, D_2(v) = relu(p + a + b) - relu(p + a) - relu(p + b) +
relu(p). It depends on v and on the trees that e and f make of v, of which there are few: a table of
each node. In round 3

    D_3(v) = [relu(p + a + b) - relu(p + a) - relu(p + b) + relu(p)]
             + [relu(p + a + b + X_3(v)) - relu(p + a + b)],

where the first part is monotone in b. So it lies between its values at the least and the greatest
b of all edits that have no end in common with e, and costs the margin no more than these ends say.
X_3(v) is the sum of these pieces, times the matrix W:

- D_2(u) of each clean neighbour u of v;
- where v is an end of e, and w its other end: D_2(w), and what f changes in the state of w, both
  negative if e removes the edge; and the same with e and f exchanged.

relu telescopes over pieces x, so each contributes s x with slopes s from 0 to 1. The slope is 1 (or
0) if the pre-activation cannot fall below (rise above) zero, whatever the pieces are: `_Slopes`.

**The head.** Its hidden units are q(e, f) + U, where q is additive in edits, and U linear in sum D.
The true logit less a wrong one is a sum of m_j relu(q_j + U_j).

- If q_j is above zero for all pairs, m_j relu(q_j + U_j) >= m_j (q_j + U_j): for m_j > 0 always,
  for m_j < 0 if |U_j| <= q_j (`_most_interaction` bounds it).
- If it is below zero, m_j relu(q_j + U_j) >= 0: for m_j > 0 always, for m_j < 0 if |U_j| <= -q_j.
- Else it is at least m_j relu(q_j) + min(0, m_j U_j).

So the margin is at least its additive part, plus G U over what is linear, plus the minima. These
are concave and homogeneous, so that they may be taken piece by piece: the sum is no greater. What a
pair costs at a node is no more than the most that either edit costs there with any other, and so no
more than the root of the product of these two. Of all pairs that is one product of matrices.

**Rounding.** What single edits do is computed in double precision from the weights as they are.
Sums over the parts of a pair are in single precision, less what that may round (`_ROUNDING`).

Letters: M candidates, K edits, N nodes, H width, R rows (a node, and a tree that edits make of
it), T trees of one node, B some nodes, J hidden units, U units that are neither above nor below.
"""

from __future__ import annotations

import copy
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, pad

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import take
from robust_augcl.models.classifier_base import Classifier
from robust_augcl.models.products import Linear, multiply
from robust_augcl.models.relu_rounds import ReluRound
from robust_augcl.models.verdicts import nearness
from robust_augcl.oracle.edits import Edits
from robust_augcl.oracle.pair_effects import PairEffects, extremes, others, with_zero
from robust_augcl.oracle.states_alone import TooManyTrees
from robust_augcl.threat.candidates import Candidates

_MOST_CANDIDATES = 2_001
"""Of a graph, those that change nothing among them: for each pair there is a number."""
_ROUNDS = 3
_AT_ONCE = 128
"""Edits whose tables are made at once: some stay in the processor's cache."""
_ROUNDING = 1e-5
"""What single precision rounds of a sum of some 150 terms or fewer, as a share of them: see
`_rounding`.
"""


def pair_margin_bounds(
    model: Classifier, graph: PackedGraphs, candidates: Candidates, enough: float = torch.inf
) -> Tensor | None:
    """What the margin of one graph is at least after two different candidates (M, M).

    Minus infinity where nothing is known of a pair; None where nothing is known at all, or where
    the tables would take longer than the oracle for pairs.

    Args:
        model: in evaluation mode.
        graph: a clean one.
        candidates: every allowed edit of it.
        enough: bounds above this need not be the best that are known.
    """
    local = model.local_parts(graph)
    if local is None or [type(part) for part in local.head] != [Linear, nn.ReLU, Linear]:
        return None
    changing = candidates.changes.nonzero().squeeze(1)
    if changing.numel() < 2 or len(candidates) > _MOST_CANDIDATES:
        return None
    if local.encoder.summed_rounds != (_ROUNDS,):
        return None
    with torch.no_grad():
        # An encoder that names no rounds need not allow that it is copied.
        if local.encoder.relu_rounds(graph.x) is None:
            return None
        encoder, head = copy.deepcopy(local.encoder).double(), copy.deepcopy(local.head).double()
        doubled = graph.with_features(graph.x.double())
        rounds = encoder.relu_rounds(doubled.x)
        if rounds is None or not _is_plain(rounds):
            return None
        edits = Edits.of(doubled, candidates.graph[changing], candidates.pairs[:, changing])
        try:
            weight = head.get_parameter("2.weight")  # (C, J)
            wrong, hidden = weight.size(0) - 1, weight.size(1)
            effects = PairEffects.of(encoder, rounds, doubled, edits, hidden=hidden, wrong=wrong)
        except TooManyTrees:
            return None
        if effects is None:
            return None
        clean = model(graph).double()
        # Whether the rounds that an encoder names are what it computes.
        if not bool(((head(effects.sums) - clean).abs().amax(1) <= nearness(clean) + 1e-6).all()):
            return None
        out = graph.x.new_full((len(candidates), len(candidates)), -torch.inf)
        out[changing.unsqueeze(1), changing] = _margins(effects, head, int(graph.y), enough).to(
            out.dtype
        )
    return out


def _is_plain(rounds: list[ReluRound]) -> bool:
    """Whether there are three rounds of one matrix and a relu each."""
    return len(rounds) == _ROUNDS and not any(
        each.self_loops or each.inner or each.scaling is not None for each in rounds
    )


class _Direction(NamedTuple):
    """One margin as a function of what is added to the sum of states.

    Args:
        straight: G, what every unit adds that is above zero (H,).
        bent: m_j times the weights of units that may be on either side (H, U).
    """

    straight: Tensor
    bent: Tensor

    def least(self, x: Tensor) -> Tensor:
        """What x adds at least: (..., H) -> (...)."""
        return x @ self.straight + (x @ self.bent).clamp(max=0).sum(-1)

    def least_of_parts(self, x: Tensor) -> Tensor:
        """The same if any share of each number of x may be added: (..., H) -> (...)."""
        lowest, highest = self._ends()
        return x.clamp(min=0) @ lowest + x.clamp(max=0) @ highest

    def most_of_parts(self, size: Tensor) -> Tensor:
        """What numbers of such sizes take away at the most: (..., H) -> (...)."""
        lowest, highest = self._ends()
        return size @ torch.maximum(-lowest, highest)

    def _ends(self) -> tuple[Tensor, Tensor]:
        """What 1 of each number adds at the least, or at the most; or nothing (H,), (H,)."""
        lowest = self.straight + self.bent.clamp(max=0).sum(1)
        highest = self.straight + self.bent.clamp(min=0).sum(1)
        return lowest.clamp(max=0), highest.clamp(min=0)


class _Slopes:
    """The slopes of the last relu along pieces of X: 1, 0, or anything between.

    Args:
        effects: of single edits.

    Attributes:
        least, open: of each node, the slope at least, and 1 where it may be 1 all the same (N, H).
    """

    def __init__(self, effects: PairEffects) -> None:
        self._clean = effects.third.clean
        self._most = _most_pieces(effects)
        self._others = others(effects.third)
        # An edit that ends here and one that does not, or two that do not.
        low, high = extremes(effects.third, effects.third.change)
        lowest = self._clean + low + self._others[0] - self._most
        highest = self._clean + high + self._others[1] + self._most
        self.least, self.open = _slopes(lowest, highest)

    def after(self, node: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
        """`least` and `open` of nodes (B,) where an edit ends that changes them by (B, H)."""
        here = self._clean[node] + change
        lowest = here + self._others[0][node] - self._most[node]
        return _slopes(lowest, here + self._others[1][node] + self._most[node])


def _slopes(lowest: Tensor, highest: Tensor) -> tuple[Tensor, Tensor]:
    return (lowest >= 0).to(lowest.dtype), ((lowest < 0) & (highest > 0)).to(lowest.dtype)


def _most_pieces(effects: PairEffects) -> Tensor:
    """What the pieces of X are together at each node, at the most, whatever their signs (N, H)."""
    far_end = effects.tables.abs().amax((0, 1, 2))
    return _most_of_neighbours(effects) + far_end + _most_across(effects)


def _most_of_neighbours(effects: PairEffects) -> Tensor:
    """The same of the pieces from clean neighbours: all of X where no edit ends (N, H)."""
    around, (source, target) = effects.tables.abs().amax((1, 2)), effects.graph.edge_index
    return torch.zeros_like(around).index_add_(0, target, take(around, source))


def _most_across(effects: PairEffects) -> Tensor:
    """By how much an edit changes what a node sends that is no end of it, at the most (H,)."""
    sent = effects.sent[~effects.second.is_end].abs()
    return sent.amax(0) if sent.numel() else torch.zeros_like(effects.sums[0])


def _most_interaction(effects: PairEffects) -> Tensor:
    """How large the sum over v of D_3(v) is at the most, for any pair (H,)."""
    largest = with_zero(torch.maximum(-effects.least, effects.most))
    third = embedding_bag(effects.third.row.T.contiguous(), largest, mode="sum")
    # All neighbours hear of it, and the other end of one of the two edits.
    hearers = (effects.graph.degree + 1).view(-1, 1, 1)
    of_tree = pad(hearers * effects.tables.abs().amax(2), (0, 0, 0, 1))
    nodes, trees, width = of_tree.shape
    place = torch.arange(nodes, device=of_tree.device).unsqueeze(1) * trees + effects.second.tree
    second = embedding_bag(place.T.contiguous(), of_tree.view(-1, width), mode="sum")
    return third.amax(0) + second.amax(0) + 4 * _most_across(effects)


def _margins(effects: PairEffects, head: nn.Sequential, true: int, enough: float) -> Tensor:
    """The least margin after each pair of edits (K, K)."""
    first, last = cast(Linear, head[0]), cast(Linear, head[2])
    hidden = (effects.sums @ first.weight.T + first.bias)[0]
    by_edit = effects.changes @ first.weight.T
    lowest = hidden + 2 * by_edit.amin(0).clamp(max=0)
    highest = hidden + 2 * by_edit.amax(0).clamp(min=0)
    most = first.weight.abs() @ _most_interaction(effects)
    slopes = _Slopes(effects)
    out = torch.full((len(effects.edits),) * 2, torch.inf, device=by_edit.device)
    for wrong in range(last.weight.size(0)):
        if wrong == true:
            continue
        into = last.weight[true] - last.weight[wrong]
        room = torch.where(into < 0, most, 0)
        above = lowest - room > 0
        bent = ~above & (highest + room > 0)
        weighted = into.unsqueeze(1) * first.weight
        direction = _Direction(weighted[above].sum(0), weighted[bent].T)
        alone = by_edit[:, above] @ into[above]
        constant = last.bias[true] - last.bias[wrong] + hidden[above] @ into[above]
        # Numbers of pairs are in single precision: less what that may round.
        terms = into.abs() @ torch.maximum(highest.abs(), lowest.abs())
        constant -= _rounding(into.numel()) * (terms + last.bias.abs().sum())
        margin = (constant + alone).float().unsqueeze(1) + alone.float()
        for unit in bent.nonzero().squeeze(1).tolist():
            own = by_edit[:, unit].float()
            q = (hidden[unit].float() + own).unsqueeze(1) + own
            margin.add_(q.relu_(), alpha=float(into[unit]))
        most_cost = _most_cost(effects, direction)
        if float(margin.min()) - most_cost > enough:
            margin -= most_cost
        else:
            _add_interactions(margin, effects, slopes, direction)
        torch.minimum(out, margin, out=out)
    _leave_out_common_ends(out, effects.edits)
    return out


def _rounding(terms: int) -> float:
    """What single precision rounds of a sum at the most, as a share of its terms.

    Each addition rounds the sum so far, and each term is rounded a few times before.
    """
    return max(_ROUNDING, (terms + 16) * 2.0**-24)


def _most_cost(effects: PairEffects, direction: _Direction) -> float:
    """What interactions cost at the most, for any pair."""
    of_row = -direction.least_of_parts(effects.least) - direction.least_of_parts(effects.most)
    in_third = take(with_zero(of_row), effects.third.row.view(-1)).view_as(effects.third.row)
    of_either = direction.most_of_parts(effects.tables.abs().amax(2))
    of_tree = pad((effects.graph.degree + 1).unsqueeze(1) * of_either, (0, 1))
    in_second = of_tree.gather(1, effects.second.tree)
    across = 4 * direction.most_of_parts(_most_across(effects))
    cost = in_third.sum(0).amax() + in_second.sum(0).amax() + across
    return float(cost) * (1 + _ROUNDING)


def _add_interactions(
    margin: Tensor, effects: PairEffects, slopes: _Slopes, direction: _Direction
) -> None:
    """Add to margins (K, K) what edits do beyond what each does alone, at the least."""
    # What two edits do at a node is no more than what either does with any other: no more than the
    # root of the product of these. So it is a product of matrices.
    of_row = -direction.least_of_parts(effects.least) - direction.least_of_parts(effects.most)
    in_third = take(with_zero(of_row), effects.third.row.view(-1)).view_as(effects.third.row)
    source, target = effects.graph.edge_index
    least, still_open = (
        torch.zeros_like(each).index_add_(0, target, take(each, source)).unsqueeze(1).unsqueeze(1)
        for each in (slopes.least, slopes.open)
    )
    table = direction.least(effects.tables * least)
    table += direction.least_of_parts(effects.tables * still_open)
    of_tree = pad((-table).clamp(min=0).amax(2), (0, 1))
    in_second = of_tree.gather(1, effects.second.tree)
    roots = torch.cat([in_third, in_second]).sqrt_().to(margin.dtype)
    margin -= multiply(roots.T.contiguous(), roots).mul_(1 + _rounding(len(roots)))
    across = torch.cat(
        [
            _across(effects, slopes, direction, some).to(margin.dtype)
            for some in torch.arange(len(margin), device=margin.device).split(_AT_ONCE)
        ]
    )
    margin += across
    margin += across.T


def _across(effects: PairEffects, slopes: _Slopes, direction: _Direction, some: Tensor) -> Tensor:
    """What comes along the edges of some edits from either end, as others change that (B, K)."""
    edits, second, third = effects.edits, effects.second, effects.third
    ends, sign = (take(edits.i, some), take(edits.j, some)), take(edits.sign, some).view(-1, 1, 1)
    out = []
    for end, far in (ends, ends[::-1]):
        least, still_open = slopes.after(far, take(third.change, third.row[far, some]))
        sent = sign * second.by_tree(effects.sent)[end]
        table = direction.least(sent * least.unsqueeze(1))
        table += direction.least_of_parts(sent * still_open.unsqueeze(1))
        table += direction.least_of_parts(sign * effects.tables[end, second.tree[end, some]])
        out.append(pad(table, (0, 1)).gather(1, take(second.tree, end)))
    return out[0].add_(out[1])


def _leave_out_common_ends(out: Tensor, edits: Edits) -> None:
    """Say nothing of pairs of edits with a common end (K, K)."""
    for one in (edits.i, edits.j):
        for other in (edits.i, edits.j):
            out.masked_fill_(one.unsqueeze(1) == other, -torch.inf)
