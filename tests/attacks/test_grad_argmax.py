"""GradArgmax against published picks, and what its settings mean."""

from dataclasses import replace

import pytest
import torch
from attacked import attacked, edits_of, robust
from generators import seeded

from robust_augcl import registry
from robust_augcl.adversary.victim import Victim
from robust_augcl.attacks.exhaustive import Exhaustive
from robust_augcl.attacks.grad_argmax import GradArgmax
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.threat.model import ThreatModel

STRICT = ThreatModel(within_component=True)
PAPER = ThreatModel(within_component=True, allow_existing=True)


@pytest.fixture
def gradients(victim, reference_graphs):
    """Graph, class -> {(receiver, sender): gradient} over the allowed entries of the adjacency
    matrix.
    """
    candidates = PAPER.enumerate(reference_graphs)
    table = {}
    for label in range(3):
        values = victim.edge_gradients(reference_graphs, candidates, torch.full((24,), label))
        for number, (i, j), (forth, back) in zip(
            candidates.graph.tolist(), candidates.pairs.T.tolist(), values.tolist(), strict=True
        ):
            table.setdefault((number, label), {}).update({(j, i): forth, (i, j): back})
    return table


def test_published_picks_have_the_lowest_gradient(vectors, reference_graphs, gradients):
    picks = vectors("components")["grad_argmax_pick"]
    checked = 0
    for number, own in enumerate(reference_graphs.y.tolist()):
        for label in range(3):
            pick = tuple(picks[number, label].tolist())
            if label == own:
                assert pick == (-1, -1)
                continue
            entries = gradients[number, label]
            assert min(entries.values()) <= 0
            assert entries[pick] == pytest.approx(min(entries.values()), rel=1e-4)
            checked += 1
    assert checked == 48


def test_grad_argmax_as_published_answers_with_a_published_pick(
    vectors, victim, reference_graphs, gradients
):
    values = vectors("components")
    y = reference_graphs.y
    result = attacked(GradArgmax(directions="apart"), victim, reference_graphs, PAPER)
    broken_by_label = {}
    for label in range(3):
        edges = [
            (n, tuple(pick))
            for n, pick in enumerate(values["grad_argmax_pick"][:, label].tolist())
            if pick[0] >= 0
        ]
        for number, (i, j) in edges:
            data = reference_graphs[number]
            there = {tuple(edge) for edge in data.edge_index.T.tolist()} | {(i, j), (j, i)}
            data.edge_index = torch.tensor(sorted(there)).T
            broken_by_label[number, label] = int(victim.logits([data]).argmax()) != int(y[number])

    hits = 0
    for number in range(24):
        edits = edits_of(result.perturbations[number])
        expected = [label for label in range(3) if broken_by_label.get((number, label))]
        if result.clean_prediction[number] != y[number] or not expected:
            # Wrong already, or no pick breaks it: the clean graph.
            assert edits == []
            assert result.attacked_prediction[number] == result.clean_prediction[number]
            continue
        (pair,) = edits
        i, j = pair
        entries = gradients[number, expected[0]]
        pick = tuple(values["grad_argmax_pick"][number, expected[0]].tolist())
        assert min(entries[i, j], entries[j, i]) == pytest.approx(entries[pick], rel=1e-4)
        assert result.attacked_prediction[number] != y[number]
        hits += 1
    assert hits > 3


def test_grad_argmax_sums_the_directions_of_an_undirected_edge(victim, reference_graphs, gradients):
    y = reference_graphs.y.tolist()
    result = attacked(GradArgmax(), victim, reference_graphs, STRICT)
    hits = 0
    for number in range(24):
        edits = edits_of(result.perturbations[number])
        if not edits:
            continue
        clean = {frozenset(edge) for edge in reference_graphs[number].edge_index.T.tolist()}
        lowest = []
        for label in set(range(3)) - {y[number]}:
            sums = {
                frozenset(entry): value + gradients[number, label][entry[::-1]]
                for entry, value in gradients[number, label].items()
            }
            new = {pair: value for pair, value in sums.items() if pair not in clean}
            lowest.append((new[edits[0]], min(new.values())))
        assert edits[0] not in clean
        assert any(value == pytest.approx(best, rel=1e-4) for value, best in lowest)
        hits += 1
    assert hits > 5


@pytest.mark.parametrize("operations", [("add",), ("add", "delete")])
@pytest.mark.parametrize("directions", ["summed", "apart"])
@pytest.mark.parametrize("allow_existing", [False, True])
def test_more_edits_break_no_fewer_graphs(
    victim, reference_graphs, operations, directions, allow_existing
):
    y = reference_graphs.y
    results = {}
    for budget in (1, 2, 3):
        threat = ThreatModel(
            budget, operations, within_component=True, allow_existing=allow_existing
        )
        results[budget] = attacked(
            GradArgmax(directions=directions), victim, reference_graphs, threat
        )
        for edits in results[budget].perturbations:
            assert len(set(edits_of(edits))) == edits.num_edits <= budget
    counts = []
    for budget in (1, 2, 3):
        survivors = robust(results[budget], y)
        counts.append(int(survivors.sum()))
        if budget > 1:
            assert (survivors <= robust(results[budget - 1], y)).all()
    assert counts[-1] < counts[0]


def test_grad_argmax_of_two_edits_walks_by_the_gradient_of_the_edited_graph(
    victim, reference_graphs
):
    # One path by hand, for graphs that take exactly two edits.
    threat = ThreatModel(2, within_component=True)
    result = attacked(GradArgmax(), victim, reference_graphs, threat)
    twice = [number for number, edits in enumerate(result.perturbations) if edits.num_edits == 2]
    assert twice
    for number in twice:
        graph = reference_graphs.select(torch.tensor([number]))
        candidates = threat.enumerate(graph)
        own, got = int(graph.y), set(edits_of(result.perturbations[number]))
        paths = []
        for label in set(range(3)) - {own}:
            current, path = graph, []
            for _ in range(2):
                total = victim.edge_gradients(current, candidates, torch.tensor([label])).sum(1)
                ranked = [
                    frozenset(candidates.pairs[:, place].tolist())
                    for place in total.argsort().tolist()
                ]
                path.append(next(pair for pair in ranked if pair not in path))
                current = current.flip(torch.tensor([0]), torch.tensor([sorted(path[-1])]).T)
            paths.append(set(path))
        assert got in paths


def test_grad_argmax_counts_its_questions(victim, reference_graphs):
    result = attacked(GradArgmax(), victim, reference_graphs, STRICT)
    # One gradient for each wrong class; one look at each clean graph and at each candidate.
    assert result.gradient_calls == 48
    assert result.queries == 24 + 48


def test_one_shot_asks_for_the_clean_gradient_only_and_is_the_published_attack_for_one_edit(
    victim, reference_graphs
):
    threat = ThreatModel(3, within_component=True)
    result = attacked(GradArgmax(mode="one_shot"), victim, reference_graphs, threat)
    assert result.gradient_calls == 48
    assert max(edits.num_edits for edits in result.perturbations) > 1
    one, other = (
        attacked(GradArgmax(mode=mode), victim, reference_graphs, STRICT)
        for mode in ("one_shot", "iterated")
    )
    assert [edits_of(p) for p in one.perturbations] == [edits_of(p) for p in other.perturbations]


def test_verifying_every_candidate_is_exhaustive_search_and_more_of_them_do_no_less(
    victim, reference_graphs
):
    graphs = reference_graphs.select(torch.arange(1, 24, 2))
    survivors = {
        v: robust(attacked(GradArgmax(verify=v), victim, graphs, STRICT), graphs.y)
        for v in (0, 5, 10_000)
    }
    assert torch.equal(
        survivors[10_000], robust(attacked(Exhaustive(), victim, graphs, STRICT), graphs.y)
    )
    counts = [int(found.sum()) for found in survivors.values()]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


def test_verification_is_counted(victim, reference_graphs):
    result = attacked(GradArgmax(verify=4), victim, reference_graphs, STRICT)
    right = int((result.clean_prediction == reference_graphs.y).sum())
    assert result.queries == 24 + 2 * 4 * right + 48


@pytest.mark.thorough(but=["settings0-threat0"])
@pytest.mark.parametrize(
    "threat", [ThreatModel(2, ("add", "delete")), ThreatModel(0.1, ("delete",))]
)
@pytest.mark.parametrize("settings", [{}, {"mode": "one_shot"}, {"verify": 3}])
def test_grad_argmax_on_every_encoder_in_a_batch_equals_graph_by_graph(
    random_graphs, threat, settings
):
    graphs = random_graphs(1, sizes=(9, 12, 7, 11, 8, 10))
    for name in registry.names("encoder"):
        draws = seeded(4)
        encoder = registry.load("encoder", name)(in_features=3, width=8, layers=2, generator=draws)
        victim = Victim(GraphClassifier(encoder, num_classes=3, hidden=8, generator=draws).double())
        exact = replace(graphs, x=graphs.x.double())
        exact = exact.with_labels(victim.logits(exact).argmax(1))
        together = attacked(GradArgmax(**settings), victim, exact, threat)
        singly = [
            attacked(GradArgmax(**settings), victim, exact.select(torch.tensor([n])), threat)
            for n in range(6)
        ]
        assert [edits_of(p) for p in together.perturbations] == [
            edits_of(result.perturbations[0]) for result in singly
        ]
        assert len(together.perturbations) == 6, name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "twice"}, "`mode` to be 'iterated' or 'one_shot', got 'twice'"),
        ({"directions": "up"}, "`directions` to be 'summed' or 'apart', got 'up'"),
        ({"verify": -1}, "`verify` to be at least 0, got -1"),
    ],
)
def test_bad_settings_of_grad_argmax_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        GradArgmax(**settings)
