"""The bound on margins after pairs of edits, against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from bounded_pairs import drawn_graphs, new_model
from torch import nn

from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.models.margins import margins
from robust_augcl.models.products import Linear
from robust_augcl.oracle import pair_bounds, pair_cost, pair_effects
from robust_augcl.oracle.edits import Edits
from robust_augcl.oracle.pair_bounds import pair_margin_bounds
from robust_augcl.oracle.pair_cost import Sizes, is_worth_it
from robust_augcl.oracle.pair_logits import PairLogits
from robust_augcl.oracle.pair_states import PairOracle
from robust_augcl.threat.model import ThreatModel

OPERATIONS = [("add",), ("delete",), ("add", "delete")]
FEATURES = ["constant", "few", "normal"]
pytestmark = pytest.mark.usefixtures("bounds_of_pairs_always")


def one_by_one(model, graphs, threat, enough=torch.inf):
    """Of each graph: what the bound says of all pairs, and the margins by the oracle for pairs."""
    labelled = graphs.with_labels(model(graphs).argmax(1))
    for number in range(graphs.num_graphs):
        graph = labelled.select(torch.tensor([number]))
        candidates = threat.enumerate(graph)
        if len(candidates) < 2:
            continue
        one, other = torch.combinations(torch.arange(len(candidates))).T
        least = pair_margin_bounds(model, graph, candidates, enough)
        exact = margins(PairLogits(model, graph, candidates)(one, other), graph.y.expand(len(one)))
        shared = (
            (candidates.pairs[:, one].unsqueeze(1) == candidates.pairs[:, other].unsqueeze(0))
            .any(0)
            .any(0)
        )
        yield least, exact, shared, one, other


def faults(seeds, operations, features, enough=torch.inf, **shape):
    """How many pairs have a smaller margin than the bound says, and how many are bounded."""
    wrong = bounded = 0
    for seed in seeds:
        graphs = drawn_graphs(seed, features, **shape)
        model = new_model(graphs, seed=seed)
        for least, exact, _, one, other in one_by_one(
            model, graphs, ThreatModel(2, operations), enough
        ):
            for each in (least[one, other], least[other, one]):
                wrong += int((each > exact + 1e-9).sum())
                bounded += int(each.isfinite().sum())
    return wrong, bounded


@pytest.mark.thorough(but=["few-*", "*-operations2"])
@pytest.mark.parametrize("operations", OPERATIONS)
@pytest.mark.parametrize("features", FEATURES)
def test_no_pair_leaves_less_than_the_bound_says(features, operations):
    for enough in (torch.inf, -torch.inf):
        wrong, bounded = faults(range(3), operations, features, enough)
        assert wrong == 0
        assert bounded > 100


@pytest.mark.parametrize("features", FEATURES)
def test_the_bound_is_near_and_silent_only_where_edits_have_a_common_end(features):
    gaps = []
    for seed in range(2):
        graphs = drawn_graphs(seed, features, count=3, sizes=(8, 12))
        model = new_model(graphs, seed=seed, larger=1.0)
        for least, exact, shared, one, other in one_by_one(model, graphs, ThreatModel(2)):
            known = least[one, other].isfinite()
            assert torch.equal(known, ~shared)
            gaps.append((exact - least[one, other])[known])
    assert float(torch.cat(gaps).median()) < 1


def nothing_across(effects, slopes, direction, some):
    return effects.changes.new_zeros(some.numel(), len(effects.edits))


def no_slope_is_open(lowest, highest):
    return (lowest + highest > 0).to(lowest.dtype), torch.zeros_like(lowest)


@pytest.mark.parametrize(
    ("module", "name", "fault"),
    [
        (pair_bounds, "_across", nothing_across),
        (pair_bounds, "_slopes", no_slope_is_open),
        (pair_bounds, "_leave_out_common_ends", lambda out, edits: None),
        (pair_effects, "_ends_of", lambda of: (torch.zeros_like(of.change),) * 2),
        (
            pair_effects,
            "_second_difference",
            lambda clean, one, other: torch.zeros_like(clean + one + other),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_forgotten_is_found_by_these_graphs(module, name, fault, monkeypatch):
    monkeypatch.setattr(module, name, fault)
    both = ("add", "delete")
    small, sparse = {}, {"count": 1, "sizes": (13, 15), "densest": 0.11}
    assert any(
        faults([seed], both, "constant", **shape)[0]
        for seed in range(20)
        for shape in (sparse, small)
    )


@pytest.mark.parametrize("operations", OPERATIONS)
def test_no_two_edits_move_sums_by_more_than_the_head_is_bounded_for(operations):
    closest = 0.0
    for seed in range(3):
        graphs = drawn_graphs(seed, "constant", count=1, sizes=(7, 9))
        model, threat = new_model(graphs, seed=seed), ThreatModel(2, operations)
        candidates = threat.enumerate(graphs)
        encoder, edits = model.encoder, Edits.of(graphs, candidates.graph, candidates.pairs)
        effects = pair_effects.PairEffects.of(encoder, encoder.relu_rounds(graphs.x), graphs, edits)
        oracle = PairOracle(encoder, graphs, edits)
        one, other = torch.combinations(torch.arange(len(edits))).T
        apart = ~torch.stack(
            [a[one] == b[other] for a in (edits.i, edits.j) for b in (edits.i, edits.j)]
        ).any(0)
        one, other = one[apart], other[apart]
        both = oracle.sums(one, other) + oracle.clean_sums
        beyond = (both - oracle.single_sums[one] - oracle.single_sums[other]).abs()
        most = pair_bounds._most_interaction(effects)
        assert (beyond <= most + 1e-9).all()
        closest = max(closest, float((beyond / (most + 1e-9)).max()))
    assert closest > 0.2  # a tenth of it would not do


def bent_heads(sums, changes, count):
    """Heads whose hidden units bend near the sums of some pair, by seeds."""
    generator = torch.Generator().manual_seed(0)
    near = 2 * changes.abs().mean()
    for _ in range(count):
        head = nn.Sequential(Linear(sums.size(1), 6), nn.ReLU(), Linear(6, 2)).double()
        for value in head.parameters():
            value.copy_(torch.randn(value.shape, generator=generator, dtype=torch.double))
        at = sums[torch.randint(len(sums), (6,), generator=generator)]
        off = near * torch.randn(6, generator=generator, dtype=torch.double)
        head[0].bias.copy_(off - (head[0].weight * at).sum(1))
        yield head


@pytest.mark.parametrize("enough", [torch.inf, -torch.inf])
@torch.no_grad()
def test_wherever_units_of_the_head_bend_the_bound_is_no_higher_than_margins(enough):
    for seed in range(4):
        graph = drawn_graphs(seed, "constant", count=1, sizes=(6, 9))
        encoder = new_model(graph, seed=seed).encoder
        candidates = ThreatModel(2, OPERATIONS[seed % 3]).enumerate(graph)
        edits = Edits.of(graph, candidates.graph, candidates.pairs)
        effects = pair_effects.PairEffects.of(encoder, encoder.relu_rounds(graph.x), graph, edits)
        one, other = torch.combinations(torch.arange(len(edits))).T
        sums = PairOracle(encoder, graph, edits).sums(one, other)
        for head in bent_heads(sums, effects.changes, 100):
            exact = head(sums) @ torch.tensor([1.0, -1.0], dtype=torch.double)
            least = pair_bounds._margins(effects, head, 0, enough)[one, other]
            assert (least <= exact + 1e-6 * (1 + exact.abs().max())).all()


def third_round(encoder, graph, edges):
    """Pre-activations of round 3 (N, H) on a graph of which undirected edges are flipped."""
    around = torch.zeros(graph.num_nodes, graph.num_nodes, dtype=graph.x.dtype)
    around[tuple(graph.edge_index)] = 1
    for i, j in edges:
        around[i, j] = around[j, i] = 1 - around[i, j]
    (rounds, *_), states = encoder.relu_rounds(graph.x), encoder.first_states(graph.x)
    for _ in range(2):
        states = (rounds.offset + around @ states @ rounds.weight).relu()
    return rounds.offset + around @ states @ rounds.weight


@pytest.mark.parametrize("operations", OPERATIONS)
def test_no_two_edits_move_a_node_by_more_than_slopes_allow_for(operations):
    closest = closest_inside = 0.0
    for seed in (0, 1, 2, 7):  # of these, some second round bends at nodes where no edit ends
        graph = drawn_graphs(seed, "constant", count=1, sizes=(6, 8))
        encoder = new_model(graph, seed=seed).encoder
        candidates = ThreatModel(2, operations).enumerate(graph)
        edits = Edits.of(graph, candidates.graph, candidates.pairs)
        effects = pair_effects.PairEffects.of(encoder, encoder.relu_rounds(graph.x), graph, edits)
        most, of_neighbours = (
            of(effects) for of in (pair_bounds._most_pieces, pair_bounds._most_of_neighbours)
        )
        pairs = candidates.pairs.T.tolist()
        clean, alone = third_round(encoder, graph, []), {}
        for one, other in itertools.combinations(range(len(pairs)), 2):
            if set(pairs[one]) & set(pairs[other]):
                continue
            for each in (one, other):
                if each not in alone:
                    alone[each] = third_round(encoder, graph, [pairs[each]])
            both = third_round(encoder, graph, [pairs[one], pairs[other]])
            beyond = (both - alone[one] - alone[other] + clean).abs()
            assert (beyond <= most + 1e-9).all()
            closest = max(closest, float((beyond / (most + 1e-9)).max()))
            ends = {*pairs[one], *pairs[other]}
            inside = [node for node in range(graph.num_nodes) if node not in ends]
            share = beyond[inside] / (of_neighbours[inside] + 1e-9)
            assert (share <= 1 + 1e-9).all()
            closest_inside = max(closest_inside, float(share.max()))
    assert min(closest, closest_inside) > 0.2  # a tenth of it would not do


@pytest.mark.parametrize(
    ("encoder", "layers"), [(Structure2Vec, 2), (Structure2Vec, 4), (GIN, 3), (GCN, 3)]
)
def test_of_other_encoders_nothing_is_known(encoder, layers):
    graphs = drawn_graphs(0, "constant", count=1)
    model = new_model(graphs, encoder=encoder, layers=layers)
    assert pair_margin_bounds(model, graphs, ThreatModel(2).enumerate(graphs)) is None


def test_graphs_of_too_many_candidates_are_left_out(monkeypatch):
    """Of those that change nothing too, for which there are numbers as well."""
    graph = drawn_graphs(0, "constant", count=1, sizes=(7, 8))
    model = new_model(graph)
    candidates = ThreatModel(2, allow_existing=True).enumerate(graph)
    assert 2 < int(candidates.changes.sum()) < len(candidates)
    for limit, is_bounded in ((len(candidates), True), (len(candidates) - 1, False)):
        monkeypatch.setattr(pair_bounds, "_MOST_CANDIDATES", limit)
        least = pair_margin_bounds(model, graph, candidates)
        assert (least is not None) == is_bounded


@pytest.mark.parametrize("terms", [10, 150, 3_000, 30_000])
def test_a_sum_of_many_terms_rounds_no_more_than_is_left_for_it(terms):
    each = torch.tensor(0.1)
    total = torch.zeros(())
    for _ in range(terms):
        total += each
    exact = terms * float(each)
    rounded = abs(float(total) - exact) / exact
    assert rounded <= pair_bounds._rounding(terms)
    assert rounded > pair_bounds._ROUNDING or terms <= 150  # what is left for few would not do


class Unnamed(Structure2Vec):
    def relu_rounds(self, x):
        return None

    def __deepcopy__(self, memo):
        raise TypeError("not to be copied")


def test_an_encoder_that_names_no_rounds_is_not_copied():
    graphs = drawn_graphs(0, "constant", count=1)
    model = new_model(graphs, encoder=Unnamed)
    assert pair_margin_bounds(model, graphs, ThreatModel(2).enumerate(graphs)) is None


class Louder(Structure2Vec):
    def round(self, *inputs):
        return 2 * super().round(*inputs)


def test_rounds_that_are_not_what_the_encoder_computes_bound_nothing():
    graphs = drawn_graphs(0, "constant", count=1)
    model = new_model(graphs, encoder=Louder)
    assert pair_margin_bounds(model, graphs, ThreatModel(2).enumerate(graphs)) is None


def test_the_width_of_the_encoder_decides_whether_the_bound_is_worth_its_time(monkeypatch):
    monkeypatch.setattr(pair_effects, "is_worth_it", pair_cost.is_worth_it)
    graphs = component_graphs(np.array([1]), (30, 30), 0.07, np.random.default_rng(0))
    candidates = ThreatModel(2, within_component=True).enumerate(graphs)
    narrow, wide = (new_model(graphs, width=width, larger=1.0) for width in (16, 512))
    assert pair_margin_bounds(narrow, graphs, candidates) is not None
    assert pair_margin_bounds(wide, graphs, candidates) is None


MEASURED = Sizes(pairs=80_200, rows=7.1, entries=7_680, width=64, hidden=32, wrong=2)


def test_what_takes_longer_than_it_saves_is_not_worth_it():
    assert is_worth_it(MEASURED)
    larger = {"width": 512, "hidden": 2_000, "wrong": 20, "entries": 80_000}
    for name, value in larger.items():
        assert not is_worth_it(MEASURED._replace(**{name: value})), name
    assert not is_worth_it(MEASURED._replace(rows=0.7))  # where pairs take little time
    many = MEASURED._replace(rows=1e6)
    assert is_worth_it(many)
    assert not is_worth_it(many._replace(entries=2_000_000))  # 1 GB a table
