"""Drops over seeds: against SciPy, and by simulation with known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from robust_augcl.gate.drop import Drop, paired, unpaired
from robust_augcl.results.intervals import ALPHA
from robust_augcl.results.method_tests import p_of_difference, simultaneous_interval
from robust_augcl.results.seed_differences import SeedDifferences

BASE = (0.62, 0.58, 0.64, 0.61, 0.55)
NEW = (0.52, 0.60, 0.47, 0.55)


def test_unpaired_seeds_are_scipy_s_welch():
    found = unpaired(BASE, NEW, (100_000, 100_000))
    expected = stats.ttest_ind(BASE, NEW, equal_var=False)
    assert found.mean == pytest.approx(np.mean(BASE) - np.mean(NEW))
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.degrees == pytest.approx(expected.df)
    for size in (1, 4):
        ends = expected.confidence_interval(1 - ALPHA / size)
        assert found.interval(size) == pytest.approx(tuple(ends))


def test_paired_seeds_are_the_rule_of_method_tests():
    drops = SeedDifferences((0.02, 0.05, -0.01, 0.03, 0.04), 900)
    found = paired(drops)
    assert found.p_value == pytest.approx(p_of_difference(drops))
    for size in (1, 3):
        assert found.interval(size) == pytest.approx(simultaneous_interval(drops, size))


def test_seeds_that_agree_by_luck_are_not_certain():
    found = unpaired([0.5, 0.5], [0.4, 0.4], (100, 100))
    assert found.error == pytest.approx(math.sqrt(2 * 2 / 102**2))


def test_splits_of_one_data_set_widen_both_sides():
    alone, shared = (unpaired(BASE, NEW, (10**6, 10**6), r) for r in (0.0, 0.25))
    expected = np.var(BASE, ddof=1) * (1 / 5 + 0.25) + np.var(NEW, ddof=1) * (1 / 4 + 0.25)
    assert shared.error**2 == pytest.approx(expected)
    assert shared.deviation == pytest.approx(alone.deviation)


def test_one_seed_is_no_drop():
    with pytest.raises(ValueError, match="two values"):
        unpaired([0.5], [0.4, 0.5], (10, 10))


# --- power, against simulation --------------------------------------------------------------------


def of_draws(draws: np.ndarray) -> Drop:
    values = tuple(np.clip(draws, -1, 1).tolist())
    return paired(SeedDifferences(values, 10**7))


@pytest.mark.parametrize(("tolerance", "size"), [(0.001, 1), (0.02, 1), (0.05, 1), (0.02, 6)])
def test_the_detectable_drop_is_found_in_four_of_five(tolerance, size):
    chance, seeds, deviation = np.random.default_rng(3), 8, 0.03
    error = deviation / math.sqrt(seeds)
    true = Drop(0.0, deviation, (seeds, seeds), error, seeds - 1, 1.0, 0.0).detectable(
        tolerance, size
    )
    found = 0
    for _ in range(2000):
        drop = of_draws(chance.normal(true, deviation, seeds))
        found += drop.mean > tolerance and size * drop.p_value <= ALPHA and drop.mean > 0
    assert found / 2000 == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("mean", [0.0, 0.012, 0.045])
def test_the_seeds_that_would_tell_tell(mean):
    chance, deviation, tolerance = np.random.default_rng(4), 0.03, 0.02
    pilot = Drop(mean, deviation, (3, 3), deviation / math.sqrt(3), 2, 1.0, 0.0)
    needed = pilot.seeds_needed(tolerance)
    assert needed is not None

    def told(seeds: int) -> float:
        count = 0
        for _ in range(1000):
            drop = of_draws(chance.normal(mean, deviation, seeds))
            low, high = drop.interval()
            count += high < tolerance or (low > 0 and drop.mean > tolerance)
        return count / 1000

    assert told(needed) > 0.75
    assert told(max(2, needed // 2)) < 0.8


def test_no_number_of_seeds_tells_a_drop_as_large_as_the_tolerance():
    pilot = Drop(0.02, 0.03, (5, 5), 0.03 / math.sqrt(5), 4, 1.0, 0.0)
    assert pilot.seeds_needed(0.02) is None
