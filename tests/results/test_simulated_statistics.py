"""The script that simulates the statistics computes what the package's functions do."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import norm

from robust_augcl.results.intervals import share_interval
from robust_augcl.results.method_tests import (
    holm_corrected,
    p_of_difference,
    p_of_equivalence,
    simultaneous_interval,
)
from robust_augcl.results.seed_differences import SeedDifferences

TRIALS = 40


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    path = Path(__file__).parents[2] / "docs" / "simulate_statistics.py"
    spec = importlib.util.spec_from_file_location("simulate_statistics", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize("n_seeds", [2, 3, 5, 30])
@pytest.mark.parametrize("ratio", [0.0, 0.25])
@pytest.mark.parametrize("step", [0.1, 1 / 300])
def test_errors_intervals_and_p_values(
    script: ModuleType, n_seeds: int, ratio: float, step: float
) -> None:
    """With coarse steps some seeds agree, so that the floor of the error decides."""
    chance = np.random.default_rng(n_seeds)
    values = np.round(0.1 * chance.standard_normal((TRIALS, n_seeds)) / step) * step
    trials = script.Trials(values, 40 * n_seeds, ratio)
    pairs = [SeedDifferences(tuple(each), 40 * n_seeds, None, ratio) for each in values.tolist()]
    for size in (1, 3):
        ends = np.array([simultaneous_interval(pair, size) for pair in pairs]).T
        assert np.allclose(trials.interval(size), ends, rtol=0, atol=1e-12)
    assert np.allclose(trials.p_of_difference(), [p_of_difference(pair) for pair in pairs])
    expected = [p_of_equivalence(pair, 0.05) for pair in pairs]
    assert np.allclose(trials.p_of_equivalence(0.05), expected)


@pytest.mark.parametrize("n_seeds", [1, 2, 3, 5, 30])
@pytest.mark.parametrize("true", [0.0, 0.003, 0.05, 0.6, 1.0])
def test_intervals_of_shares(script: ModuleType, n_seeds: int, true: float) -> None:
    chance = np.random.default_rng(n_seeds)
    trials = script.shares(np.full((TRIALS, n_seeds), true), 38, chance)
    ends = np.array([share_interval(each, 38 * n_seeds) for each in trials.values.tolist()]).T
    assert np.allclose(script.share_ends(trials), ends, rtol=0, atol=1e-9)


@pytest.mark.parametrize("methods", [2, 3, 5])
def test_families_are_corrected_alike(script: ModuleType, methods: int) -> None:
    right = np.random.default_rng(methods).binomial(60, 0.6, size=(TRIALS, 5, methods)) / 60
    differ, equal = script.judged(right, 60, 0.05)
    places = [(first, first + by) for by in range(1, methods) for first in range(methods - by)]
    assert len(places) == methods * (methods - 1) / 2
    for trial, found in zip(right, zip(differ, equal, strict=True), strict=True):
        family = [
            SeedDifferences(tuple((trial[:, i] - trial[:, j]).tolist()), 300) for i, j in places
        ]
        expected = holm_corrected(
            [p_of_difference(pair) for pair in family],
            [p_of_equivalence(pair, 0.05) for pair in family],
        )
        assert np.allclose(found, expected)


def test_a_split_by_hand(script: ModuleType) -> None:
    """The differences of splits have the mean and the spread of a plain loop's."""
    chance = np.random.default_rng(1)
    found = script.split_differences(400, 2, chance)
    looped = np.array([_loop(chance) for _ in range(400)])
    error = np.hypot(found[:, 0].std(), looped.std()) / 20
    assert abs(found.mean() - looped.mean()) < 4 * error
    assert 0.85 < found[:, 0].std() / looped.std() < 1.18
    # Two splits of one data set have something in common.
    assert np.corrcoef(found.T)[0, 1] > 0.05


def _loop(chance: np.random.Generator) -> float:
    """The difference of two nearest centroids on one split of one data set, as in a textbook."""
    y = chance.integers(0, 2, 188)
    x = chance.standard_normal((188, 10)) + 0.3 * y[:, None]
    order = chance.permutation(188)
    test, train = order[:38], order[38:]
    right = []
    for features in (5, 10):
        centres = [x[train][y[train] == c, :features].mean(0) for c in (0, 1)]
        apart = [np.linalg.norm(x[test, :features] - centre, axis=1) for centre in centres]
        right.append(((apart[1] < apart[0]) == (y[test] == 1)).mean())
    return float(right[0] - right[1])


def test_the_normal_quantile(script: ModuleType) -> None:
    assert abs(script._NORMAL - norm.ppf(0.975)) < 1e-15


def test_all_tables_are_printed(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    script.main(["--trials", "3"])
    text = capsys.readouterr().out
    assert text.count(", in percent:") == len(script.TABLES) == 5
    with pytest.raises(SystemExit):
        script.main(["--trials", "0"])
