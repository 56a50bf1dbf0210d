"""RL-S2V's hyper-parameters: what is refused, what falls over time, what was published."""

import pytest

from robust_augcl.attacks.rl_s2v import RLS2V


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", 0, "positive, got 0"),
        ("width", -1, "positive, got -1"),
        ("rounds", 0, "positive, got 0"),
        ("batch_size", 0, "positive, got 0"),
        ("learning_rate", 0.0, "positive, got 0.0"),
        ("learning_rate", float("nan"), "positive, got nan"),
        ("replay_size", 0, "positive, got 0"),
        ("target_every", 0, "positive, got 0"),
        ("evaluate_every", 0, "positive, got 0"),
        ("partners", 0, "positive, got 0"),
        ("updates", 0, "positive, got 0"),
        ("burn_in", -1, "at least 0, got -1"),
        ("max_gradient_norm", -1.0, "at least 0, got -1.0"),
        ("epsilon_start", -0.5, "between 0 and 1, got -0.5"),
        ("epsilon_end", 2.0, "between 0 and 1, got 2.0"),
        ("epsilon_anneal", 1.5, "between 0 and 1, got 1.5"),
        ("rate_end", -0.1, "between 0 and 1, got -0.1"),
    ],
)
def test_bad_hyper_parameters_are_refused_by_name(name, value, message):
    with pytest.raises(ValueError, match=f"Expected `{name}` to be {message}"):
        RLS2V(**{name: value})


def test_bad_train_on_is_refused():
    with pytest.raises(
        ValueError, match="Expected `train_on` to be 'correct' or 'all', got 'wrong'"
    ):
        RLS2V(train_on="wrong")


def test_epsilon_falls_linearly_and_then_stays():
    attack = RLS2V(steps=100, epsilon_start=1.0, epsilon_end=0.2, epsilon_anneal=0.5)
    assert [attack.epsilon(step) for step in (0, 25, 50, 99)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    assert RLS2V(epsilon_anneal=0.0).epsilon(0) == 0.1
    assert RLS2V(**RLS2V.paper).epsilon(999) == 1.0


def test_scaled_makes_fewer_steps():
    assert RLS2V(steps=100_000).scaled(0.01) == RLS2V(steps=1000)
    assert RLS2V(steps=10).scaled(1e-6).steps == 1


def test_the_learning_rate_falls_linearly():
    attack = RLS2V(steps=5, learning_rate=0.1, rate_end=0.2)
    assert [attack.rate(k) for k in range(5)] == pytest.approx([0.1, 0.08, 0.06, 0.04, 0.02])
    assert RLS2V(steps=1).rate(0) == RLS2V().learning_rate


def test_the_published_settings_are_the_published_attack():
    published = {
        "reward": "outcome",
        "partners": 1,
        "updates": 1,
        "rate_end": 1.0,
        "sees_picked": False,
    }
    assert {name: RLS2V.paper[name] for name in published} == published
