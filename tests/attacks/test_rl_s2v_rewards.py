"""RL-S2V's rewards: what the victim says at the end of an episode, a query each."""

import numpy as np
import pytest
import torch
from generators import seeded
from rl_s2v_by_hand import (
    THREATS,
    a_learner,
    degree_victim,
    hub_graphs,
    small_victim,
)

from robust_augcl.threat.model import ThreatModel


@pytest.fixture
def victim():
    return small_victim()


def final_margins(learner, graphs, victim, transition):
    """The margin after each episode, one edited graph at a time, by the definition."""
    state, node, _ = transition
    found = torch.full(node.shape, float("nan"))
    for row, column in (node >= 0).nonzero().tolist():
        final = state.edit(node[:, column], 1).take(torch.tensor([row]))
        (perturbation,) = learner.space.perturbations(final)
        clean = graphs[int(state.graph[row])]
        logits = victim.logits([perturbation.apply(clean)])[0].tolist()
        label = int(clean.y)
        others = [logit for number, logit in enumerate(logits) if number != label]
        found[row, column] = logits[label] - max(others)
    return found


@pytest.mark.thorough(only=["3-*"])
@pytest.mark.parametrize("reward", ["outcome", "margin"])
@pytest.mark.parametrize("partners", [1, 3])
def test_the_reward_comes_at_the_end_and_is_what_the_victim_says(reward, partners, to_data):
    graphs, threat, victim = hub_graphs(to_data, 4, count=30), THREATS["add two"], degree_victim()
    learner = a_learner(graphs, victim, threat, batch_size=30, reward=reward, partners=partners)
    learner.play(epsilon=1.0)
    for step, replay in learner.replay.items():
        assert len(replay) == 30
        if step != (1, 1):
            assert not replay.draw(100, seeded(0)).reward.any()
    transition = learner.replay[1, 1].draw(100, seeded(0))
    left = final_margins(learner, graphs, victim, transition)
    assert transition.node.shape == (100, partners)
    if reward == "outcome":  # Dai et al. 2018, section 3: 1 if the classifier errs, else -1
        assert set(transition.reward.flatten().tolist()) == {-1.0, 1.0}
        expected = torch.where(left > 0, -1.0, 1.0)
    else:
        clean = [victim.logits([graphs[k]])[0] for k in range(30)]
        spread = np.std([float(logits[0] - logits[1]) for logits in clean]) / 4 or 1.0
        expected = torch.tanh(-left / spread)
    assert torch.allclose(transition.reward, expected, atol=1e-5)


def test_a_reward_of_margins_falls_with_the_margin_and_has_the_sign_of_the_outcome(
    victim, random_graphs
):
    graphs = random_graphs(30, sizes=(6, 7, 8))
    by_margin = a_learner(graphs, victim, ThreatModel(), reward="margin")
    by_outcome = a_learner(graphs, victim, ThreatModel(), reward="outcome")
    margin = torch.linspace(-3, 3, 100) * by_margin.spread  # none of them is 0
    rewards = by_margin.rewards(margin)
    assert bool((rewards.diff() < 0).all())
    assert torch.equal(rewards.sign(), by_outcome.rewards(margin))
    assert bool((rewards.abs() < 1).all())


def test_a_reward_of_margins_does_not_depend_on_the_scale_of_logits(victim, random_graphs):
    graphs = random_graphs(30, sizes=(6, 7, 8))
    margin = torch.linspace(-3, 3, 100)
    before = a_learner(graphs, victim, ThreatModel(), reward="margin").rewards(margin)
    with torch.no_grad():
        for parameter in victim.model.head[-1].parameters():
            parameter.mul_(5)
    after = a_learner(graphs, victim, ThreatModel(), reward="margin").rewards(5 * margin)
    assert torch.allclose(before, after, atol=1e-5)


@pytest.mark.parametrize(("reward", "partners"), [("outcome", 1), ("margin", 1), ("margin", 4)])
def test_each_answer_is_one_query(reward, partners, to_data):
    graphs, victim = hub_graphs(to_data, 1, count=30), degree_victim()
    learner = a_learner(
        graphs, victim, ThreatModel(), batch_size=30, reward=reward, partners=partners
    )
    assert victim.queries == (30 if reward == "margin" else 0)  # the clean graphs, for the spread
    before = victim.queries
    learner.play(epsilon=0.5)
    assert victim.queries - before == 30 * partners
    learner.update()
    assert victim.queries - before == 30 * partners
