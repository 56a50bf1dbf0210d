from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from robust_augcl.results.intervals import ALPHA, error_of_mean, share_interval
from robust_augcl.results.method_tests import (
    Judged,
    holm_corrected,
    judge,
    p_of_difference,
    p_of_equivalence,
    simultaneous_interval,
)
from robust_augcl.results.power import (
    POWER,
    detectable_difference,
    power,
    power_of_equivalence,
    seeds_needed,
)
from robust_augcl.results.seed_differences import SeedDifferences

NEAR_NOUGHT = (0.004, -0.003, 0.001, -0.002, 0.003, -0.001, 0.002, 0.0)
"""Eight seeds that hardly differ."""
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=6)


def differences(*values: float, targets: int = 3000, **other: float) -> SeedDifferences:
    return SeedDifferences(values, targets, **other)  # type: ignore[arg-type]


def one(*values: float, **other: float | None) -> Judged:
    """What is said of one pair, alone in its family."""
    found = judge([differences(*values)], "alone", **other)[0]  # type: ignore[arg-type]
    assert found is not None
    return found


# --- against SciPy, and by hand -------------------------------------------------------------------


def test_p_and_interval_are_scipy_s_paired_t() -> None:
    values = (0.02, 0.05, -0.01, 0.03, 0.04)
    expected = stats.ttest_1samp(values, 0)
    found = differences(*values)
    assert p_of_difference(found) == pytest.approx(expected.pvalue, rel=1e-12)
    for size in (1, 3, 10):
        low, high = simultaneous_interval(found, size)
        assert (low, high) == pytest.approx(expected.confidence_interval(1 - ALPHA / size))


def test_equivalence_is_the_larger_of_two_one_sided_tests() -> None:
    values = (0.02, 0.05, -0.01, 0.03, 0.04)
    expected = max(
        stats.ttest_1samp(values, -0.06, alternative="greater").pvalue,
        stats.ttest_1samp(values, 0.06, alternative="less").pvalue,
    )
    assert p_of_equivalence(differences(*values), 0.06) == pytest.approx(expected, rel=1e-12)


def test_shared_graphs_widen_the_error_as_nadeau_and_bengio_say() -> None:
    # Ten splits, nine tenths of the graphs for training: 1 / 10 + 1 / 9 instead of 1 / 10.
    values = tuple(0.01 * k for k in range(10))
    alone, shared = differences(*values), differences(*values, test_to_train=1 / 9)
    assert shared.error / alone.error == pytest.approx(math.sqrt((0.1 + 1 / 9) / 0.1))
    assert shared.error**2 == pytest.approx(np.var(values, ddof=1) * (0.1 + 1 / 9))
    assert shared.deviation == pytest.approx(alone.deviation)


def test_seeds_that_agree_by_luck_are_not_certain() -> None:
    found = differences(0.01, 0.01, targets=198)
    assert found.error == pytest.approx(math.sqrt(2) / 200)
    assert p_of_difference(found) > 0.3


@given(P_VALUES)
def test_without_equivalence_the_steps_are_holm_s(p_values: list[float]) -> None:
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    expected, reached = [0.0] * len(p_values), 0.0
    for step, place in enumerate(order):
        reached = max(reached, min(1.0, (len(p_values) - step) * p_values[place]))
        expected[place] = reached
    assert holm_corrected(p_values)[0] == pytest.approx(expected)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=3))
def test_the_steps_are_those_of_closed_testing(pairs: list[tuple[float, float]]) -> None:
    # A hypothesis is rejected where each possible set that holds it is, by Bonferroni. Possible are
    # sets that do not hold both hypotheses of a pair.
    tests = [(place, kind) for place in range(len(pairs)) for kind in (0, 1)]
    possible = [
        chosen
        for number in range(1, len(pairs) + 1)
        for chosen in itertools.combinations(tests, number)
        if len({place for place, _ in chosen}) == number
    ]
    found = holm_corrected([differ for differ, _ in pairs], [equal for _, equal in pairs])
    assert found[1] is not None
    for place, kind in tests:
        closed = max(
            min(1.0, len(chosen) * min(pairs[p][k] for p, k in chosen))
            for chosen in possible
            if (place, kind) in chosen
        )
        # Steps are a shortcut that never rejects more.
        assert found[kind][place] >= closed - 1e-12


def test_power_is_that_of_the_noncentral_t() -> None:
    for n_seeds, away, size in ((2, 5.0, 1), (3, 4.0, 1), (5, 3.0, 3), (10, 3.0, 27), (30, 2.0, 3)):
        bound = stats.t.isf(ALPHA / (2 * size), n_seeds - 1)
        expected = stats.nct.sf(bound, n_seeds - 1, away) + stats.nct.cdf(-bound, n_seeds - 1, away)
        found = power(0.03 * away / math.sqrt(n_seeds), 0.03, n_seeds, size)
        assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("size", [1, 3, 27])
@pytest.mark.parametrize("n_seeds", [2, 3, 5, 10, 30])
def test_the_detectable_difference_has_the_power_that_is_said(n_seeds: int, size: int) -> None:
    found = detectable_difference(0.03, n_seeds, size)
    assert power(found, 0.03, n_seeds, size) == pytest.approx(POWER, abs=1e-4)


def test_so_many_seeds_decide_and_one_fewer_does_not() -> None:
    found = differences(0.01, -0.01, 0.03)
    needed = seeds_needed(found, 3)
    assert needed is not None
    assert power(found.mean, found.deviation, needed, 3) >= POWER
    assert power(found.mean, found.deviation, needed - 1, 3) < POWER
    # No difference at all: only equivalence can be shown, if there is a margin.
    nought = differences(0.02, -0.02)
    assert seeds_needed(nought) is None
    needed = seeds_needed(nought, 1, margin=0.02)
    assert needed is not None
    assert power_of_equivalence(0.0, nought.deviation, needed, 0.02) >= POWER
    assert power_of_equivalence(0.0, nought.deviation, needed - 1, 0.02) < POWER


def test_of_a_fixed_data_set_no_number_of_seeds_may_do() -> None:
    assert seeds_needed(differences(0.01, -0.01, 0.03, test_to_train=1 / 9)) is None


@pytest.mark.parametrize(
    ("values", "targets", "share"),
    [((), 3, 0.0), ((1.1,), 3, 0.0), ((math.nan,), 3, 0.0), ((0.0,), 0, 0.0), ((0.0,), 3, -0.1)],
)
def test_what_is_no_difference_is_refused(
    values: tuple[float, ...], targets: int, share: float
) -> None:
    with pytest.raises(ValueError, match="Expected"):
        SeedDifferences(values, targets, None, share)


@pytest.mark.parametrize("margin", [0.0, -0.1, 1.0, math.nan])
def test_what_is_no_margin_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="Expected `margin`"):
        judge([differences(0.1, 0.2)], "alone", margin)


# --- each word ------------------------------------------------------------------------------------


def test_better_and_worse() -> None:
    assert one(0.05, 0.06, 0.07).verdict == "better"
    assert one(-0.05, -0.06, -0.07).verdict == "worse"
    assert one(0.05, 0.06, 0.07).seeds_needed is None


def test_equivalent() -> None:
    assert one(*NEAR_NOUGHT, margin=0.02).verdict == "equivalent"
    assert one(*NEAR_NOUGHT).verdict == "undecided"  # nobody stated a margin


def test_better_by_less_than_the_margin() -> None:
    found = one(0.005, 0.006, 0.007, 0.005, 0.006, 0.007, margin=0.02)
    assert (found.verdict, found.within_margin) == ("better", True)
    assert not one(0.05, 0.06, 0.07, margin=0.02).within_margin


def test_undecided_says_how_many_seeds_would_decide() -> None:
    found = one(0.01, -0.01, 0.03)
    assert (found.verdict, found.seeds_needed) == ("undecided", 34)


def test_one_model_each() -> None:
    found = one(0.2)
    assert (found.verdict, found.difference, found.low, found.p_value) == (
        "one model each",
        0.2,
        None,
        None,
    )
    # The same trained model in every seed is one model, however many seeds there are.
    again = judge([SeedDifferences((0.05, 0.06, 0.07), 900, models=1)], "alone")[0]
    assert again is not None
    assert again.verdict == "one model each"


def test_another_number_of_seeds_than_was_planned() -> None:
    assert one(0.05, 0.06, 0.07, planned=5).verdict == "no verdict"
    assert one(0.05, 0.06, 0.07, planned=2).verdict == "no verdict"
    assert one(0.05, 0.06, 0.07, planned=3).verdict == "better"
    assert one(0.2, planned=3).verdict == "one model each"


def test_a_family_takes_back_what_one_test_would_say() -> None:
    alone = differences(0.02, 0.03, 0.04)  # p = 0.035
    found = judge([alone, differences(*NEAR_NOUGHT)], "two")
    assert [each.verdict for each in found if each] == ["undecided", "undecided"]
    # A comparison that is missing still counts.
    missing = judge([alone, None], "two")
    assert missing[0] == found[0]
    assert missing[1] is None


@given(
    st.lists(
        st.lists(st.floats(-0.3, 0.3), min_size=3, max_size=3).map(tuple), min_size=1, max_size=4
    )
)
def test_an_interval_that_leaves_out_nought_is_decided(family: list[tuple[float, ...]]) -> None:
    for found in judge([differences(*values) for values in family], "some", margin=0.02):
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        if found.low > 1e-9:
            assert found.verdict == "better"
        if found.high < -1e-9:
            assert found.verdict == "worse"


# --- simulations with known truth -----------------------------------------------------------------

TRIALS = 1500
TWO_ERRORS = 2 * math.sqrt(0.05 * 0.95 / TRIALS)
"""Two Monte Carlo errors of a rate near 5 or 95 %."""


def drawn(
    n_seeds: int, true: float, spread: float, chance: np.random.Generator, n_graphs: int = 300
) -> np.ndarray:
    """Differences of trials (TRIALS, S), of models that disagree on 15 % of the graphs.

    A seed's own true difference is normal around `true`.
    """
    each = np.clip(true + spread * chance.standard_normal((TRIALS, n_seeds)), -0.15, 0.15)
    discordant = chance.binomial(n_graphs, 0.15, size=each.shape)
    wins = chance.binomial(discordant, (0.15 + each) / 0.3)
    return (2 * wins - discordant) / n_graphs


@pytest.mark.parametrize("n_seeds", [2, 3, 5, 10, 30])
@pytest.mark.parametrize("true", [0.0, 0.02])
def test_intervals_cover_the_true_difference(n_seeds: int, true: float) -> None:
    trials = drawn(n_seeds, true, 0.01, np.random.default_rng(n_seeds))
    ends = [simultaneous_interval(differences(*d, targets=300 * n_seeds), 1) for d in trials]
    covered = np.mean([low <= true <= high for low, high in ends])
    assert covered > 0.93 - TWO_ERRORS
    if n_seeds >= 5:
        assert covered < 0.97 + TWO_ERRORS


@pytest.mark.parametrize("n_seeds", [1, 2, 3, 5, 10, 30])
@pytest.mark.parametrize(("true", "spread"), [(0.6, 0.03), (0.03, 0.01)])
def test_intervals_cover_accuracies_and_gaps(n_seeds: int, true: float, spread: float) -> None:
    # A gap is a share of few graphs. One seed speaks for its model, which has no spread.
    chance = np.random.default_rng(n_seeds)
    beta = true * (1 - true) / spread**2 - 1
    of_seeds = chance.beta(true * beta, (1 - true) * beta, size=(TRIALS, n_seeds))
    shares = chance.binomial(300, of_seeds if n_seeds > 1 else true, size=(TRIALS, n_seeds)) / 300
    ends = [share_interval([float(s) for s in each], 300 * n_seeds) for each in shares]
    covered = np.mean([low <= true <= high for low, high in ends])
    assert covered > 0.93 - TWO_ERRORS
    if n_seeds >= 5:
        assert covered < 0.97 + TWO_ERRORS


@pytest.mark.parametrize("n_seeds", [2, 3, 5, 30])
def test_a_family_without_any_difference_alarms_in_one_of_twenty(n_seeds: int) -> None:
    # Three methods that are one method: their three pairs share their models. With a margin that
    # lies where the noise is, equivalence is false of none, so only differences can be wrong.
    chance = np.random.default_rng(n_seeds)
    accuracies = chance.binomial(300, 0.6, size=(TRIALS, n_seeds, 3)) / 300
    alarms = 0
    for trial in accuracies:
        family = [differences(*(trial[:, i] - trial[:, j])) for i, j in ((0, 1), (1, 2), (0, 2))]
        differ = [p_of_difference(each) for each in family]
        corrected, _ = holm_corrected(differ, [p_of_equivalence(each, 0.02) for each in family])
        alarms += min(corrected) <= ALPHA
    assert alarms / TRIALS < 0.05 + TWO_ERRORS


def test_a_difference_of_the_margin_is_called_equivalent_in_one_of_twenty() -> None:
    alarms = 0
    for trial in drawn(10, 0.02, 0.01, np.random.default_rng(0)):
        alarms += p_of_equivalence(differences(*trial, targets=3000), 0.02) <= ALPHA
    assert alarms / TRIALS < 0.05 + TWO_ERRORS


@pytest.mark.parametrize(("n_seeds", "size"), [(3, 3), (5, 3), (10, 10), (30, 3)])
def test_power_is_as_said_at_the_corrected_level(n_seeds: int, size: int) -> None:
    spread = 0.01
    deviation = math.sqrt(spread**2 + (0.15 - spread**2) / 300)
    true = detectable_difference(deviation, n_seeds, size)
    chance = np.random.default_rng(n_seeds)
    trials = true + deviation * chance.standard_normal((TRIALS, n_seeds))
    errors = [error_of_mean(list(d), 300 * n_seeds) for d in trials]
    found = 2 * stats.t.sf(abs(trials.mean(1)) / errors, n_seeds - 1)
    shown = np.mean(found * size <= ALPHA)
    assert abs(shown - POWER) < 2 * math.sqrt(POWER * (1 - POWER) / TRIALS) + 1e-3
