"""RL-S2V as the guard runs it: that it learns, what it hands in, what it keeps."""

from typing import Any

import pytest
import torch
from generators import seeded
from rl_s2v_by_hand import (
    THREATS,
    degree_victim,
    hub_graphs,
    small_victim,
)

from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.adversary.guard import fit_attack, learn_on, run_attack
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.attacks.rand_sampling import RandSampling
from robust_augcl.attacks.rl_s2v import RLS2V
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

QUICK = RLS2V(
    steps=6,
    width=8,
    rounds=2,
    batch_size=8,
    burn_in=2,
    replay_size=64,
    target_every=2,
    evaluate_every=3,
)
SMALL: dict[str, Any] = {
    "width": 16,
    "rounds": 2,
    "batch_size": 20,
    "burn_in": 60,
    "evaluate_every": 50,
}


def broken_share(attack, victim, graphs, threat, fit, fitted=None):
    chance = seeded(0)
    result = run_attack(attack, victim, graphs, threat, fit=fit, generator=chance, fitted=fitted)
    assert bool((result.clean_prediction == graphs.y).all())
    return float((result.attacked_prediction != graphs.y).float().mean())


HUB_LEARNER = RLS2V(**SMALL, steps=150, learning_rate=5e-3, target_every=25)


@pytest.fixture(scope="module")
def where_the_hub_is(to_data):
    """What `HUB_LEARNER` has learned of `degree_victim`; two tests look at it."""
    fit = FitGraphs(hub_graphs(to_data, 1), hub_graphs(to_data, 2))
    threat = ThreatModel(within_component=True)
    return fit_attack(HUB_LEARNER, degree_victim(), threat, fit=fit, generator=seeded(0))


def test_it_learns_where_the_hub_is(to_data, where_the_hub_is):
    fit = FitGraphs(hub_graphs(to_data, 1), hub_graphs(to_data, 2))
    graphs, threat = hub_graphs(to_data, 3), ThreatModel(within_component=True)
    learned = broken_share(HUB_LEARNER, degree_victim(), graphs, threat, fit, where_the_hub_is)
    assert learned > 0.9
    assert broken_share(RandSampling(), degree_victim(), graphs, threat, fit) < 0.5


@pytest.mark.thorough(only=["800"])
@pytest.mark.parametrize("steps", [200, 800])
def test_it_learns_two_edits_in_a_row(to_data, steps):
    fit = FitGraphs(hub_graphs(to_data, 1), hub_graphs(to_data, 2))
    graphs, threat = hub_graphs(to_data, 3), ThreatModel(budget=2, within_component=True)
    # Twice as many steps of the process, and a reward that chance finds for one graph in twenty.
    learner = RLS2V(**SMALL, steps=steps, learning_rate=3e-3, target_every=50)
    learned = broken_share(learner, degree_victim(2.0), graphs, threat, fit)
    assert learned > 0.9
    assert broken_share(RandSampling(), degree_victim(2.0), graphs, threat, fit) < 0.3


# --- the guard's view -----------------------------------------------------------------------------


@pytest.fixture
def victim():
    return small_victim()


def edits(perturbations):
    return [(p.added.tolist(), p.removed.tolist()) for p in perturbations]


@pytest.mark.parametrize("name", THREATS)
def test_every_edit_is_allowed_and_the_budget_is_spent(name, victim, random_graphs):
    threat = THREATS[name]
    graphs = random_graphs(3, sizes=(9, 1, 14, 6, 2, 11))
    fit = FitGraphs(random_graphs(1, sizes=(8, 1, 12, 7)), random_graphs(2))
    result = run_attack(QUICK, victim, graphs, threat, fit=fit, generator=seeded(0))
    threat.check_all(graphs, result.perturbations)
    for number, perturbation in enumerate(result.perturbations):
        possible = threat.candidates(graphs[number]).size(1)
        assert perturbation.num_edits == min(int(threat.budgets(graphs)[number]), possible)
    assert result.queries > 0
    assert result.gradient_calls == 0


def test_a_graph_without_candidates_gets_no_edit(victim, to_data):
    alone, complete = to_data(1, []), to_data(3, [(0, 1), (0, 2), (1, 2)])
    for graph in (alone, complete):
        graph.x = torch.ones(graph.num_nodes, 3)
    graphs = PackedGraphs.from_data_list([alone, complete])
    result = run_attack(
        QUICK, victim, graphs, ThreatModel(), fit=FitGraphs(graphs, graphs), generator=seeded(0)
    )
    assert edits(result.perturbations) == edits([Perturbation(), Perturbation()])


def test_the_same_seed_gives_the_same_edits_and_another_may_not(victim, random_graphs):
    graphs, fit = random_graphs(3, sizes=(12,) * 10), FitGraphs(random_graphs(1), random_graphs(2))
    threat = THREATS["add or delete two"]
    first, again, other = (
        edits(
            run_attack(QUICK, victim, graphs, threat, fit=fit, generator=seeded(seed)).perturbations
        )
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_the_global_random_state_is_not_touched(victim, random_graphs):
    before = torch.random.get_rng_state()
    fit = FitGraphs(random_graphs(1), random_graphs(2))
    run_attack(QUICK, victim, random_graphs(3), THREATS["add one"], fit=fit, generator=seeded(0))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_it_learned_can_be_kept_and_restored(victim, random_graphs):
    fit, graphs, threat = (
        FitGraphs(random_graphs(1), random_graphs(2)),
        random_graphs(3),
        THREATS["add two"],
    )
    fitted = fit_attack(QUICK, victim, threat, fit=fit, generator=seeded(4))
    at_once = run_attack(QUICK, victim, graphs, threat, fit=fit, generator=seeded(4))
    again = run_attack(QUICK, victim, graphs, threat, fit=fit, generator=seeded(9), fitted=fitted)
    assert edits(again.perturbations) == edits(at_once.perturbations)
    assert [step for step, _, _ in fitted.curve] == [3, 6]
    assert again.queries == at_once.queries


def test_it_goes_on_from_what_it_learned_and_keeps_nothing_worse(to_data):
    fit, threat = FitGraphs(hub_graphs(to_data, 1), hub_graphs(to_data, 2)), ThreatModel()
    attack, victim = RLS2V(steps=30, width=8, rounds=2, batch_size=10, burn_in=5), degree_victim()
    before = fit_attack(attack, victim, threat, fit=fit, generator=seeded(0))
    after = learn_on(attack, victim, threat, before.state, fit=fit, generator=seeded(1))
    assert [step for step, _, _ in after.curve] == [15]  # half as many
    assert after.queries > 0
    none = fit.validation.select(torch.zeros(0, dtype=torch.long))

    def broken(fitted):
        result = run_attack(
            attack,
            victim,
            fit.validation,
            threat,
            fit=FitGraphs(none, none),
            generator=seeded(0),
            fitted=fitted,
        )
        return int((result.attacked_prediction != fit.validation.y).sum())

    assert broken(after) >= broken(before)


def test_what_it_learned_on_one_victim_is_turned_on_another(to_data, where_the_hub_is):
    fit, graphs = FitGraphs(hub_graphs(to_data, 1), hub_graphs(to_data, 2)), hub_graphs(to_data, 3)
    threat = ThreatModel(within_component=True)
    source, other = degree_victim(), another_degree_victim()
    learner, fitted = HUB_LEARNER, where_the_hub_is
    result = run_attack(learner, other, graphs, threat, fit=fit, generator=seeded(1), fitted=fitted)
    # Both victims err when the hub is hit, so what was learned on one breaks the other, which was
    # asked nothing.
    assert bool((result.clean_prediction == graphs.y).all())
    assert float((result.attacked_prediction != graphs.y).float().mean()) > 0.9
    assert (result.queries, other.queries) == (fitted.queries, 2 * graphs.num_graphs)
    same = run_attack(learner, source, graphs, threat, fit=fit, generator=seeded(2), fitted=fitted)
    assert edits(result.perturbations) == edits(same.perturbations)


def another_degree_victim():
    """As `degree_victim`, but of width 2: it says 1 as soon as a node has a degree of 4 or more."""
    encoder = Structure2Vec(in_features=1, width=2, layers=1, generator=seeded(0))
    model = GraphClassifier(encoder, num_classes=2, hidden=2, generator=seeded(0))
    with torch.no_grad():
        for layer in (encoder.node_to_latent, encoder.conv, model.head[0]):
            layer.weight.fill_(0.5)
            layer.bias.zero_()
        encoder.node_to_latent.weight.fill_(1.0)
        encoder.conv.bias.fill_(-4.0)
        model.head[2].weight.copy_(torch.tensor([[0.0, 0.0], [2.0, 2.0]]))
        model.head[2].bias.copy_(torch.tensor([1.0, 0.0]))
    return Victim(model)


def test_the_weights_kept_are_the_best_on_the_validation_graphs(to_data):
    fit, told = FitGraphs(hub_graphs(to_data, 1), hub_graphs(to_data, 2)), []
    attack = RLS2V(steps=60, width=8, rounds=2, batch_size=10, burn_in=10, evaluate_every=10)
    threat, victim = ThreatModel(), degree_victim()
    proposer = attack.prepare(
        victim.restricted(Access.QUERY),
        fit,
        threat,
        seeded(0),
        lambda fraction, text: told.append(fraction),
    )
    broken = 0
    for number, perturbation in enumerate(proposer(fit.validation)):
        edited = perturbation.apply(fit.validation[number])
        broken += int(victim.logits([edited]).argmax()) != 0
    lowest = min(accuracy for _, _, accuracy in proposer.curve)
    assert 1 - broken / 60 == pytest.approx(lowest)
    assert told == pytest.approx([k / 6 for k in range(1, 7)])


def test_where_no_validation_graph_is_right_the_last_weights_are_kept(to_data):
    """Looks cost no chance, so whoever looks at the end alone ends with the same weights."""
    train, validation = hub_graphs(to_data, 1, count=20), hub_graphs(to_data, 2, count=10)
    wrong = FitGraphs(train, validation.with_labels(1 - validation.y))
    often, once = (
        fit_attack(
            RLS2V(steps=20, width=8, rounds=2, batch_size=5, burn_in=2, evaluate_every=looks),
            degree_victim(),
            ThreatModel(),
            fit=wrong,
            generator=seeded(0),
        )
        for looks in (5, 20)
    )
    assert [accuracy for _, _, accuracy in often.curve] == [0.0] * 4
    assert all(torch.equal(often.state[name], value) for name, value in once.state.items())


def test_without_validation_graphs_it_says_what_is_missing(to_data):
    train = hub_graphs(to_data, 1, count=5)
    fit = FitGraphs(train, train.select(torch.zeros(0, dtype=torch.long)))
    with pytest.raises(InputError, match=r"Expected validation graphs, .*, got none"):
        fit_attack(QUICK, degree_victim(), ThreatModel(), fit=fit, generator=seeded(0))
