"""A sound lower bound on the margin of a graph after any k allowed edits.

It holds for structure2vec of two rounds and a constant feature.

Let p be the pre-activation of a node's last state, and d_1, d_2, ... the changes of it that edits
cause. With n changes at the most, in each dimension

    sum_i max(min(d_i, 0), -relu(p))
        <=  relu(p + sum_i d_i) - relu(p)
        <=  sum_i relu(d_i + min(p, 0) / n).

Left: either some term is -relu(p), which no change exceeds, or relu falls by no more than its
argument. Right: relu is subadditive.

So the change of the sum of states, in any direction, is at least a sum over edits of what each may
contribute by itself. That is minimised over the contexts that other edits may make for an edit.
With a constant feature, a context is the number of other edits at its ends. The edit {u, w}
contributes to the neighbours of u, to which u sends something else, and to u, which hears from w.
The same holds with u and w exchanged.

The classifier's head, two linear layers with relu between them, is bounded by linear functions, as
in CROWN (Zhang et al. 2018, arXiv 1811.00866, section 3.2). Its hidden units are bounded by edits
in the same way.

Letters: G graphs, N nodes, M candidates, H width, R directions, C classes, K changes, U different
ends of candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import one_of_each
from robust_augcl.graphs.unfolding import mixed
from robust_augcl.models.classifier_base import Classifier
from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.models.products import Linear
from robust_augcl.threat.candidates import Candidates

_SALT = 0x9E3779B97F4A7C15


@dataclass(frozen=True, eq=False)
class MarginBounds:
    """What edits leave of margins at the least.

    After at most `budgets[g]` edits e of graph g, the true logit less that of class c is at least
    start[g, c] + sum of cost[e, c].

    Args:
        start: (G, C), infinite for the true class.
        cost: not positive (M, C).
        lower: the smallest margin that this leaves possible (G,).
    """

    start: Tensor
    cost: Tensor
    lower: Tensor


def margin_bounds(
    model: Classifier, graphs: PackedGraphs, candidates: Candidates, budgets: Tensor
) -> MarginBounds | None:
    """Bounds for the edit sets among `candidates`, in double precision.

    None where no bound is known for the model or the graphs.

    >>> import torch
    >>> from robust_augcl.encoders.structure2vec import Structure2Vec
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> from robust_augcl.threat.model import ThreatModel
    >>> draws = torch.Generator().manual_seed(0)
    >>> encoder = Structure2Vec(in_features=1, width=4, layers=2, generator=draws)
    >>> model = GraphClassifier(encoder, num_classes=3, hidden=4, generator=draws).eval()
    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graphs = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> candidates = ThreatModel(2, ("add", "delete")).enumerate(graphs)
    >>> bounds = margin_bounds(model, graphs, candidates, torch.tensor([2]))
    >>> bounds.cost.shape, bool((bounds.cost <= 0).all())
    (torch.Size([3, 3]), True)

    Args:
        model: in evaluation mode.
        graphs: clean, with a constant feature.
        candidates: every allowed edit.
        budgets: edits allowed (G,).
    """
    local = model.local_parts(graphs)
    if local is None:
        return None
    encoder, head = local
    if encoder.layers != 2 or not bool((graphs.x == graphs.x[:1]).all()):
        return None
    first, second = (encoder.offset(index, graphs.x) for index in range(2))
    if (
        first is None
        or second is None
        or [type(part) for part in head] != [Linear, nn.ReLU, Linear]
    ):
        return None
    with torch.no_grad():
        offsets = first.double(), second.double()
        influences = _Influences(encoder, graphs, offsets, candidates, budgets)
        return _through_head(influences, head)


class _Contribution(NamedTuple):
    """The least and the most that changes contribute to last states (K, H), (K, H)."""

    least: Tensor
    most: Tensor


class _Joined(NamedTuple):
    """Candidates that all add, or all delete, and their ends.

    Ends that hear from nodes of the same degree count once, since these send the same.

    Args:
        numbers: of the candidates (K,).
        end, far_end: the different ends, and a node that each hears from (U,), (U,).
        place: which of the U the two ends of each candidate are (2, K).
        kind: equal for those of the U that hear the same in the same state (U,).
    """

    numbers: Tensor
    end: Tensor
    far_end: Tensor
    place: Tensor
    kind: Tensor


class _Influences:
    """What each candidate may contribute to the summed states of its graph.

    Args:
        encoder, graphs, candidates, budgets: as `margin_bounds`.
        offsets: of the two rounds (N, H), (N, H).
    """

    def __init__(
        self,
        encoder: LocalEncoder,
        graphs: PackedGraphs,
        offsets: tuple[Tensor, Tensor],
        candidates: Candidates,
        budgets: Tensor,
    ) -> None:
        self.graphs, self.candidates, self._budgets = graphs, candidates, budgets
        self._most = int(budgets.max())
        adds, deletes = bool((~candidates.exists).any()), candidates.deletes
        # How many edges more, or less, a node may have.
        self._range = range(-self._most if deletes else 0, self._most + 1 if adds else 1)
        self._sends = self._second_messages(encoder, offsets[0])
        source, target = graphs.edge_index
        zeros = torch.zeros_like(offsets[1])
        self._before = zeros.index_add(0, source, self._sends[0][target]) + offsets[1]
        # Nodes whose neighbours have the same degrees are in the same state, as features are equal.
        degrees = mixed(graphs.degree, _SALT)
        self._state = torch.zeros_like(degrees).index_add(0, source, degrees[target])
        # Graphs may outnumber nodes: some have none.
        nothing = zeros.new_zeros(graphs.num_graphs, zeros.size(1))
        self.sums = nothing.index_add(0, graphs.batch, self._before.relu())
        """Summed last states of the clean graphs (G, H)."""
        steps = [step for step, allowed in ((1, adds), (-1, deletes)) if allowed]
        self._around = {step: self._to_neighbours(step) for step in steps}
        kinds = {1: ~candidates.exists, -1: candidates.exists & candidates.deletes}
        self._joined = {step: self._join(kinds[step].nonzero().squeeze(1)) for step in steps}

    def _second_messages(self, encoder: LocalEncoder, offset: Tensor) -> dict[int, Tensor]:
        """What nodes send in the second round (N, H), by the edges that have come to them.

        Edges that have gone count as less than 0.
        """
        graphs = self.graphs
        nothing = graphs.x.new_zeros(graphs.num_nodes)
        sent = encoder.message(0, encoder.first_states(graphs.x), nothing).double()
        unit = torch.eye(sent.size(1), dtype=graphs.x.dtype, device=graphs.device)
        weight = encoder.message(1, unit, nothing[: sent.size(1)]).double()
        degree = graphs.degree.double().unsqueeze(1)
        return {t: (degree * sent + offset + t * sent).relu() @ weight for t in self._range}

    def _contribution(self, node: Tensor, change: Tensor) -> _Contribution:
        """What changes (K, H) of the pre-activations of nodes (K,) contribute, one change each."""
        before = self._before[node]
        # An edit changes a node in two ways at the most: through both its ends, or as an end and
        # through the other.
        slack = before.clamp(max=0) / (2 * self._most)
        return _Contribution(
            torch.maximum(change.clamp(max=0), -before.relu()), (change + slack).relu()
        )

    def _to_neighbours(self, step: int) -> list[_Contribution]:
        """Contributions to all neighbours of each node (N, H), by context.

        An edge more comes to the node (a step of 1), or one goes (-1).
        """
        source, target = self.graphs.edge_index
        zeros, out = torch.zeros_like(self._before), []
        edge, kind = one_of_each(self._kinds(target, source))
        for t in self._range:
            if t + step in self._range:
                change = (self._sends[t + step] - self._sends[t])[source[edge]]
                each = self._contribution(target[edge], change)
                out.append(
                    _Contribution(*(zeros.index_add(0, source, values[kind]) for values in each))
                )
        return out

    def _kinds(self, node: Tensor, other: Tensor) -> Tensor:
        """Equal for nodes (K,) of equal states that hear from others (K,) of equal degrees (K,)."""
        return mixed(self._state[node], _SALT) + self.graphs.degree[other]

    def _join(self, numbers: Tensor) -> _Joined:
        """The ends of candidates (K,)."""
        graphs, candidates = self.graphs, self.candidates
        ends = candidates.pairs[:, numbers] + graphs.ptr[candidates.graph[numbers]]
        far_ends = ends.flip(0)
        keys, place = (ends * graphs.num_nodes + graphs.degree[far_ends]).unique(
            return_inverse=True
        )
        # Any of the far ends of the same degree.
        far_end = torch.empty_like(keys).scatter_(0, place.flatten(), far_ends.flatten())
        end = torch.div(keys, graphs.num_nodes, rounding_mode="floor")
        return _Joined(numbers, end, far_end, place, self._kinds(end, far_end))

    def costs(self, directions: Tensor) -> Tensor:
        """The least that each candidate contributes to the sum of states in directions: (M, R).

        Shapes: directions (R, H) or, by graph, (G, R, H).
        """
        out = torch.zeros(
            len(self.candidates), directions.size(-2), dtype=torch.double, device=directions.device
        )
        for step, around in self._around.items():
            joined = self._joined[step]
            of_nodes = self._least(around, directions, self.graphs.batch)
            cost = of_nodes[joined.end] + self._heard(step, joined, directions)
            out[joined.numbers] = cost.index_select(0, joined.place[0]) + cost.index_select(
                0, joined.place[1]
            )
        return out.clamp(max=0)

    def _heard(self, step: int, joined: _Joined, directions: Tensor) -> Tensor:
        """The least that ends contribute by what they hear from their far ends: (U, R)."""
        graph, contexts = self.graphs.batch[joined.end], self._contexts(step)
        by_graph = directions.dim() == 3
        # What directions have in common is computed once for all ends of a kind.
        kinds = mixed(joined.kind, _SALT) + graph if by_graph else joined.kind
        row, kind = one_of_each(kinds)
        at_once = max(limits().bound_changes // len(contexts), 1)
        pieces = [directions.new_zeros(0, directions.size(-2))]
        for rows in row.split(at_once):
            end, far_end = joined.end[rows], joined.far_end[rows]
            heard = [self._contribution(end, step * self._sends[t][far_end]) for t in contexts]
            pieces.append(self._least(heard, directions, graph[rows]))
        return torch.cat(pieces)[kind]

    def _contexts(self, step: int) -> list[int]:
        """By how many edges the far end of a candidate may have changed when it is heard.

        An edge that goes takes away what was heard along it before any edit.
        """
        if step == -1:
            return [0]
        fewest = 2 - self._most if -1 in self._range else 1
        return [t for t in self._range if t >= fewest]

    def _least(self, contexts: list[_Contribution], directions: Tensor, graph: Tensor) -> Tensor:
        """The smallest contribution over contexts in each direction: (K, R).

        Shapes: directions as in `costs`, graph (K,).
        """
        up, down = directions.clamp(min=0), directions.clamp(max=0)
        if directions.dim() == 2:
            values = [low @ up.T + high @ down.T for low, high in contexts]
        else:
            values = [
                torch.einsum("kh,krh->kr", low, up[graph])
                + torch.einsum("kh,krh->kr", high, down[graph])
                for low, high in contexts
            ]
        return torch.stack(values).amin(0)

    def worst(self, cost: Tensor) -> Tensor:
        """Sums of the `budgets` lowest costs of each graph: (M, R) -> (G, R)."""
        counts, first = self.candidates.counts, self.candidates.ptr[:-1]
        longest = max(int(counts.max()), self._most)
        if counts.numel() * longest * cost.size(1) > limits().bound_costs:
            # Graph by graph, since they may be of very different sizes.
            graphs = zip(cost.split(counts.tolist()), self._budgets.tolist(), strict=True)
            sums = [
                of_one.topk(min(budget, len(of_one)), dim=0, largest=False).values.sum(0)
                for of_one, budget in graphs
            ]
            return torch.stack(sums)
        table = cost.new_zeros(counts.numel(), longest, cost.size(1))
        graph = self.candidates.graph
        table[graph, torch.arange(len(graph), device=cost.device) - first[graph]] = cost
        lowest = table.topk(self._most, dim=1, largest=False).values
        allowed = torch.arange(self._most, device=cost.device) < self._budgets.unsqueeze(1)
        return (lowest.sort(1).values * allowed.unsqueeze(2)).sum(1)


def _through_head(influences: _Influences, head: nn.Module) -> MarginBounds:
    """The bound on margins, from influences on sums of states."""
    weight, bias, last, last_bias = (
        head.get_parameter(name).double() for name in ("0.weight", "0.bias", "2.weight", "2.bias")
    )
    hidden = influences.sums @ weight.T + bias
    low = hidden + influences.worst(influences.costs(weight))
    high = hidden - influences.worst(influences.costs(-weight))
    y = influences.graphs.y
    # The true logit less each other one, from the hidden units: (G, C, hidden).
    into, constant = last[y].unsqueeze(1) - last, last_bias[y].unsqueeze(1) - last_bias
    slope, rise = _relaxed(into, low.unsqueeze(1), high.unsqueeze(1))
    directions = (into * slope) @ weight
    start = (
        constant
        + (into * (rise + slope * bias)).sum(2)
        + torch.einsum("gch,gh->gc", directions, influences.sums)
    )
    cost = influences.costs(directions)
    cost[~influences.candidates.changes] = 0
    start = start.scatter(1, y.unsqueeze(1), torch.inf)
    return MarginBounds(start, cost, (start + influences.worst(cost)).amin(1))


def _relaxed(into: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Linear functions that bound the hidden units, slope * argument + rise: (G, C, hidden) each.

    A unit that may be on or off lies above 0 and above its argument, and below the chord. The side
    that counts is that which makes the margin smaller.

    Shapes: into (G, C, hidden), low and high, between which the arguments lie, (G, 1, hidden).
    """
    chord = high.relu() / (high.relu() - low.clamp(max=0)).clamp(min=1e-12)
    below = (high > -low).double()
    below = torch.where(low >= 0, 1.0, torch.where(high <= 0, 0.0, below))
    slope = torch.where(into >= 0, below, chord)
    rise = torch.where(into >= 0, 0.0, -chord * low.clamp(max=0))
    return slope, rise
