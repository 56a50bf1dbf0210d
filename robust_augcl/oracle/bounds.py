"""A sound lower bound on the margin of a graph after any k allowed edits, with its proof.

It holds for encoders whose rounds are matrices and relu (`models.relu_rounds`): structure2vec, and
GIN with batch normalisation in evaluation mode, with any number of rounds and any features; and for
heads of two linear layers with a relu between them. Edges may be added, deleted, or both.

**Telescoping.** Let S be a set of m <= k edits, in any order, and let z be the sum of the graph's
node states. Each edit owns a part of every change: of messages, of pre-activations, of states.
Along any direction r, r (z(S) - z) is a sum over edits of what each contributes, since relu
telescopes: with changes d_1, ..., d_m of a pre-activation p,

    relu(p + d_1 + ... + d_m) - relu(p) = sum_i relu(p + d_1 + ... + d_i) - relu(p + ... + d_(i-1)).

What edit i contributes depends on the others: on those that came before it, through p + d_1 + ...,
and on what it carries. Let c_i(e) be the least that e contributes, whatever i edits came before it
and whatever come after. `degree_effects` finds it for two rounds and a constant feature,
`round_effects` for all else; their docstrings say what an edit owns, and why that adds up.

**Averaging over orders.** For each order, r (z(S) - z) >= sum over e of c_i(e), where i is e's
place. Averaged over all orders, e stands at each place equally often:

    r (z(S) - z)  >=  sum over e in S of  1/m (c_0(e) + ... + c_(m-1)(e))
                  >=  sum over e in S of  cost(e),    cost(e) = 1/k (c_0(e) + ... + c_(k-1)(e)),

as c_i does not rise with i: more edits before leave more open. (The c_i that are computed need not
fall. So each is replaced by the least up to it, which is a bound as well.) So the least of
r (z(S) - z) is at least the sum of the k lowest costs, or of those of them below 0.

**The head.** Its hidden units are linear in z, so they are bounded like this, from both sides.
Between these ends the relu of each is bounded by a line, as in CROWN (Zhang et al. 2018, arXiv
1811.00866, section 3.2). So each margin, of the true class over one other, is at least a linear
function of z, whose least is bounded by costs again.

**Rounding.** All is computed in double precision, from the weights as they are; nothing is taken
from single precision. Whoever uses the bound leaves `certifier.SLACK` for what double precision
rounds. Predictions are decided in double precision where single precision is too coarse
(`models.verdicts`), so what is certified holds for both.

Letters: G graphs, N nodes, M candidates, D size of sums, R directions, C classes.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import runs
from robust_augcl.models.classifier_base import Classifier
from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.models.products import Linear
from robust_augcl.models.relu_rounds import ReluRound
from robust_augcl.models.verdicts import nearness
from robust_augcl.oracle.degree_effects import DegreeEffects
from robust_augcl.oracle.edit_sets import of_copies
from robust_augcl.oracle.head_bounds import (
    Effects,
    MarginBounds,
    Question,
    bounds_through_head,
)
from robust_augcl.oracle.round_effects import RoundEffects
from robust_augcl.oracle.worst_edits import changing_candidates
from robust_augcl.threat.candidates import Candidates

_BY_DEGREES_AT_ONCE = 8
"""Graphs that are bounded by degrees at once. Of 50 at once each takes 1.5 times as long."""
_MOST_BYTES = 2**33
"""What may be held of one graph, if its edits reached all nodes. Of larger ones nothing is said."""


def margin_bounds(
    model: Classifier, graphs: PackedGraphs, candidates: Candidates, budgets: Tensor
) -> MarginBounds | None:
    """Bounds for the edit sets among `candidates`, in double precision.

    None where no bound is known for the model. Graphs that need too much memory have a margin of
    minus infinity at the least.

    >>> import torch
    >>> from robust_augcl.encoders.gin import GIN
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> from robust_augcl.threat.model import ThreatModel
    >>> draws = torch.Generator().manual_seed(0)
    >>> encoder = GIN(in_features=1, width=4, layers=3, generator=draws)
    >>> model = GraphClassifier(encoder, num_classes=3, hidden=4, generator=draws).eval()
    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graphs = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> candidates = ThreatModel(2, ("add", "delete")).enumerate(graphs)
    >>> bounds = margin_bounds(model, graphs, candidates, torch.tensor([2]))
    >>> bounds.cost.shape, bool((bounds.cost <= 0).all())
    (torch.Size([3, 3]), True)

    Args:
        model: in evaluation mode.
        graphs: clean.
        candidates: every allowed edit.
        budgets: edits allowed (G,).
    """
    local = model.local_parts(graphs)
    if local is None or [type(part) for part in local.head] != [Linear, nn.ReLU, Linear]:
        return None
    # No set has more edits than there are.
    budgets = torch.minimum(budgets, changing_candidates(candidates)).clamp(min=1)
    with torch.no_grad():
        encoder, head = copy.deepcopy(local.encoder).double(), copy.deepcopy(local.head).double()
        rounds = encoder.relu_rounds(graphs.x.double())
        if rounds is None:
            return None
        is_plain = _is_plain(rounds) and encoder.summed_rounds == (2,)
        by_degrees = _of_one_feature(graphs) & is_plain
        found = _nothing_known(graphs, candidates, model.num_classes)
        clean = model(graphs).double()
        tolerance = nearness(clean) + 1e-6
        runs_of = _runs(graphs, candidates, budgets, by_degrees, _bytes_of_row(rounds))
        for numbers in runs_of:
            question, places = _selected(graphs, candidates, budgets, numbers)
            effects = _effects(encoder, question, bool(by_degrees[numbers[0]]))
            # Whether the rounds that an encoder names are what it computes.
            differ = (head(effects.sums) - clean[numbers]).abs().amax(1)
            if not bool((differ <= tolerance[numbers]).all()):
                return None
            part = bounds_through_head(effects, question, head)
            found.start[numbers], found.lower[numbers] = part.start, part.lower
            found.cost[places] = part.cost
    return found if runs_of else None


def searched_without_bound(
    model: Classifier, graphs: PackedGraphs, candidates: Candidates, budgets: Tensor, limit: int
) -> Tensor:
    """Of which graphs (G,) certificates try all pairs at once, since the bound would take longer.

    On a component graph with 733 candidates, of structure2vec with three rounds, the bound takes
    3.5 s and its 268,278 pairs 0.7 s. The quick bound of `degree_effects` always pays, and where a
    graph has larger sets, so does any.

    Args:
        model: in evaluation mode.
        graphs, candidates, budgets: as for `margin_bounds`.
        limit: pairs tried in one graph, at the most.
    """
    changing = changing_candidates(candidates)
    pairs = changing * (changing - 1) // 2
    few = (torch.minimum(budgets, changing) == 2) & (pairs <= limit)
    local = model.local_parts(graphs)
    rounds = None if local is None else local.encoder.relu_rounds(graphs.x)
    if local is None or rounds is None:
        return few
    is_plain = _is_plain(rounds) and local.encoder.summed_rounds == (2,)
    return few & ~(_of_one_feature(graphs) & is_plain)


def _is_plain(rounds: list[ReluRound]) -> bool:
    """Whether there are two rounds of one matrix and a relu each."""
    return len(rounds) == 2 and not any(
        each.self_loops or each.inner or each.scaling is not None for each in rounds
    )


def _of_one_feature(graphs: PackedGraphs) -> Tensor:
    """Whether all nodes of each graph have the same features (G,)."""
    differs = (graphs.x != graphs.x[graphs.ptr[graphs.batch]]).any(1)
    return torch.bincount(graphs.batch[differs], minlength=graphs.num_graphs) == 0


def _nothing_known(graphs: PackedGraphs, candidates: Candidates, classes: int) -> MarginBounds:
    """Bounds that say nothing."""
    start = graphs.x.new_full((graphs.num_graphs, classes), -torch.inf, dtype=torch.double)
    start.scatter_(1, graphs.y.unsqueeze(1), torch.inf)
    cost = start.new_zeros(len(candidates), classes)
    return MarginBounds(start, cost, torch.full_like(start[:, 0], -torch.inf))


def _bytes_of_row(rounds: list[ReluRound]) -> int:
    """What `RoundEffects` holds of an edit and a node that it reaches, at each place: the ends of
    what is contributed, and two lines.
    """
    units = sum(each.offset.size(1) * (1 + len(each.inner)) for each in rounds)
    return 6 * 8 * units


def _runs(
    graphs: PackedGraphs,
    candidates: Candidates,
    budgets: Tensor,
    by_degrees: Tensor,
    bytes_of_row: int,
) -> list[Tensor]:
    """The numbers of graphs that are bounded at once: so that none depends on those beside it.

    What is bounded at once is bounded for the largest budget, and by degrees for additions and
    deletions alike, if any graph has both. Graphs that need too much memory are left out.
    """
    gains, losses = (torch.zeros_like(by_degrees) for _ in range(2))
    gains[candidates.graph[~candidates.exists]] = True
    losses[candidates.graph[candidates.exists & candidates.deletes]] = True
    kind = torch.where(by_degrees, 1 + gains * 2 + losses, 0)
    rows = graphs.sizes * candidates.counts
    fits = by_degrees | (rows.double() * budgets * bytes_of_row <= _MOST_BYTES)
    found = []
    for key in torch.unique(budgets * 5 + kind).tolist():
        group = ((budgets * 5 + kind == key) & fits).nonzero().squeeze(1)
        if key % 5:
            found += [part for part in group.split(_BY_DEGREES_AT_ONCE) if part.numel()]
        else:
            found += [group[some] for some in runs((rows[group], limits().bound_rows))]
    return found


def _selected(
    graphs: PackedGraphs, candidates: Candidates, budgets: Tensor, numbers: Tensor
) -> tuple[Question, Tensor]:
    """The question about some graphs, in ascending order, and the places of their candidates."""
    number = torch.full_like(graphs.sizes, -1)
    number[numbers] = torch.arange(numbers.numel(), device=numbers.device)
    places = (number[candidates.graph] >= 0).nonzero().squeeze(1)
    some = of_copies(candidates, number[candidates.graph[places]], places, numbers.numel())
    return Question(graphs.select(numbers), some, budgets[numbers]), places


def _effects(encoder: LocalEncoder, question: Question, by_degrees: bool) -> Effects:
    """What the candidates contribute to sums of states."""
    graphs, x = question.graphs, question.graphs.x.double()
    rounds, first = encoder.relu_rounds(x) or [], encoder.first_states(x)
    if by_degrees:
        return DegreeEffects(rounds, first, graphs, question.candidates, question.most)
    return RoundEffects(
        rounds, first, encoder.summed_rounds, graphs, question.candidates, question.most
    )
