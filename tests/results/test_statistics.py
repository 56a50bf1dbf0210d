from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hand_made import make_record
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binomtest

from robust_augcl.results.intervals import exact_interval, mcnemar, share_interval, t_interval
from robust_augcl.results.method_tests import simultaneous_interval
from robust_augcl.results.records import ArtifactRef, Outcome, Record
from robust_augcl.results.statistics import (
    Group,
    by_group,
    compare_models,
    estimate,
    gap_to_worst_case,
    one_per_seed,
    seed_differences,
)

Z = 1.959963984540054  # the 97.5 % point of the normal distribution, from a table
T2 = 0.95 / math.sqrt(
    2 * 0.975 * 0.025
)  # the 97.5 % point of Student's t with 2 degrees of freedom, in closed form: 4.303


def record(
    robust: Sequence[int],
    seed: int = 0,
    method: str = "augcl",
    attack: str = "rl_s2v",
    labels: Sequence[int] | None = None,
    **other: object,
) -> Record:
    """A record from what counts: robust or not, one a graph. A graph that is not robust was right
    before the attack.
    """
    truth = labels or [0] * len(robust)
    start = int(other.get("start", 0))  # type: ignore[call-overload]
    return make_record(
        [
            Outcome(start + i, y, y, y if r else y + 1, 1.0, 1.0, [], [])
            for i, (r, y) in enumerate(zip(robust, truth, strict=True))
        ],
        method=method,
        seed=seed,
        attack=attack,
        threat={"budget": other.get("budget", 1)},
        num_classes=2,
        dataset=ArtifactRef("dataset/x", str(other.get("data", seed))),
        victim=ArtifactRef("victim/x", str(other.get("victim", f"{method} {seed}"))),
    )


def bits(right: int, total: int) -> list[int]:
    return [1] * right + [0] * (total - right)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_exact_interval_is_scipy_s(case: tuple[int, int]) -> None:
    right, n = case
    expected = binomtest(right, n).proportion_ci(0.95, method="exact")
    assert exact_interval(right, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(("right", "total"), [(0, 0), (-1, 3), (4, 3)])
def test_the_exact_interval_needs_graphs(right: int, total: int) -> None:
    with pytest.raises(ValueError, match="Expected `right`"):
        exact_interval(right, total)


def test_t_interval_by_hand() -> None:
    # Mean 0.6, deviations -0.1, 0, 0.1: s = 0.1.
    half = T2 * 0.1 / math.sqrt(3)
    assert t_interval([0.5, 0.6, 0.7]) == pytest.approx((0.6 - half, 0.6 + half), abs=1e-12)
    with pytest.raises(ValueError, match="at least two values"):
        t_interval([0.5])


@pytest.mark.parametrize(
    ("left", "right"), [*itertools.product(range(7), range(7)), (30, 12), (3, 40), (200, 150)]
)
def test_mcnemar_is_the_summed_binomial(left: int, right: int) -> None:
    n = left + right
    chance = [math.comb(n, k) / 2**n for k in range(n + 1)]
    # Two-sided: everything at most as likely as what was seen; symmetric, so twice the smaller
    # tail, and 1 at the middle.
    expected = min(1.0, 2 * sum(chance[: min(left, right) + 1]))
    assert mcnemar(left, right) == pytest.approx(expected, abs=1e-12)


def test_one_seed_is_a_share_with_an_exact_interval() -> None:
    found = estimate([record(bits(72, 90))])
    assert found is not None
    assert (found.mean, found.n_seeds, found.n_graphs) == (0.8, 1, 90)
    assert (found.low, found.high) == exact_interval(72, 90)


def test_several_seeds_are_exact_with_the_seeds_own_spread() -> None:
    found = estimate([record(bits(right, 100), seed) for seed, right in enumerate([40, 60, 80])])
    assert found is not None
    assert (found.mean, found.n_seeds, found.n_graphs) == (pytest.approx(0.6), 3, 300)
    # At so many graphs the error is that of the seeds; fewer, as two degrees know little.
    rounded = 181 / 302
    graphs = rounded * (1 - rounded) / (0.2**2 / 3) * (Z / T2) ** 2
    for end, expected in ((found.low, 0.025), (found.high, 0.975)):
        right = 0.6 * graphs + (expected > 0.5)
        assert beta(right, graphs + 1 - right).cdf(end) == pytest.approx(expected)
    assert 0 < found.low < 0.6 < found.high < 1


def test_one_model_in_all_seeds_is_one_model() -> None:
    # Three seeds of attacks on one model and its 100 graphs say no more of it than 100 graphs do.
    seeds = [record(bits(60, 100), seed, data="one", victim="one") for seed in range(3)]
    found = estimate(seeds)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(exact_interval(60, 100))
    worst = [
        record(bits(50, 100), seed, attack="exhaustive", data="one", victim="one")
        for seed in range(3)
    ]
    gap = gap_to_worst_case(seeds, worst)
    assert gap is not None
    assert (gap.low, gap.high) == pytest.approx(exact_interval(10, 100))


def test_graphs_that_all_seeds_are_tested_on_count_once() -> None:
    # A data set whose parts are stated, and given models: the seeds have all graphs in common.
    left = [record(bits(60, 100), seed, data="one") for seed in range(3)]
    right = [record(bits(60, 100), seed, "graphcl", data="one") for seed in range(3)]
    found, share = seed_differences(left, right), estimate(left)
    assert found is not None
    assert share is not None
    assert (found.targets, share.n_graphs) == (100, 300)
    assert (share.low, share.high) == share_interval([0.6] * 3, 100)


def test_seeds_that_agree_keep_a_width() -> None:
    found = estimate([record(bits(50, 100), seed) for seed in range(2)])
    assert found is not None
    assert found.high - found.low > 0.1  # 12.7 errors of one graph more on each side
    for right in (0, 100):
        certain = estimate([record(bits(right, 100), seed) for seed in range(2)])
        assert certain is not None
        assert certain.low <= right / 100 <= certain.high
        assert certain.high - certain.low > 0.01


def test_shared_graphs_count_once_and_widen() -> None:
    groups = [record(bits(right, 100), seed) for seed, right in enumerate([40, 60, 80])]
    own, shared = estimate(groups), estimate(groups, test_to_train=0.5)
    assert own is not None
    assert shared is not None
    assert shared.low < own.low
    assert (shared.low, shared.high) == share_interval([0.4, 0.6, 0.8], 100, 0.5)
    assert shared.n_graphs == 300


def test_measures_and_classes() -> None:
    one = record([1, 0, 1, 0], labels=[0, 0, 1, 1])
    means = {
        (measure, label): found.mean
        for measure in ("clean", "attacked", "robust")
        for label in (None, 0, 1)
        if (found := estimate([one], measure, label))
    }
    assert {means["clean", label] for label in (None, 0, 1)} == {1.0}
    assert {means["robust", label] for label in (None, 0, 1)} == {0.5}
    assert estimate([one], "robust", 2) is None
    assert estimate([]) is None


def test_seeds_without_a_class_are_left_out() -> None:
    found = estimate([record([1, 1], 0, labels=[0, 0]), record([1, 0], 1, labels=[1, 1])], label=1)
    assert found is not None
    assert (found.mean, found.n_seeds, found.n_graphs) == (0.5, 1, 2)


def test_two_records_of_a_seed_are_refused() -> None:
    twice = [record([1]), record([0])]
    with pytest.raises(ValueError, match="one record a seed"):
        estimate(twice)
    for compare in (compare_models, seed_differences):
        with pytest.raises(ValueError, match="one record a seed"):
            compare(twice, [record([1])])
    with pytest.raises(ValueError, match="one record a cell"):
        by_group(twice)


def test_comparison_of_two_models_by_hand() -> None:
    # 100 graphs: 20 only left, 5 only right.
    left = record([1] * 20 + [0] * 5 + [1] * 75)
    right = record([0] * 20 + [1] * 5 + [1] * 75, method="graphcl")
    found = compare_models([left], [right])
    assert found is not None
    assert (found.difference, found.left_only, found.right_only, found.n_graphs) == (
        0.15,
        20,
        5,
        100,
    )
    assert found.p_value == pytest.approx(2 * sum(math.comb(25, k) for k in range(6)) / 2**25)
    p12, p21 = 21 / 102, 6 / 102
    half = Z * math.sqrt((p12 + p21 - (p12 - p21) ** 2) / 102)
    assert (found.low, found.high) == pytest.approx((p12 - p21 - half, p12 - p21 + half))
    other_way = compare_models([right], [left])
    assert other_way is not None
    assert (other_way.difference, other_way.low, other_way.high) == pytest.approx(
        (-found.difference, -found.high, -found.low)
    )


def test_equal_models_are_not_certain() -> None:
    found = compare_models([record(bits(30, 60))], [record(bits(30, 60), method="graphcl")])
    assert found is not None
    assert (found.difference, found.p_value) == (0.0, 1.0)
    assert found.low < 0 < found.high


def test_several_seeds_are_no_two_models() -> None:
    sides = [[record([1, 0], seed, name) for seed in range(2)] for name in ("none", "augcl")]
    assert compare_models(*sides) is None


def test_methods_are_compared_by_their_seeds() -> None:
    left = [record(bits(60, 100), 0), record(bits(40, 100), 1)]
    right = [record(bits(20, 100), 0, "graphcl"), record(bits(50, 100), 1, "graphcl")]
    found = seed_differences(left, right)
    assert found is not None
    assert found.values == pytest.approx((0.4, -0.1))
    assert (found.targets, found.models, found.n_seeds) == (200, 2, 2)
    shared = seed_differences(left, right, test_to_train=0.25)
    assert shared is not None
    assert (shared.targets, shared.test_to_train) == (100, 0.25)


def test_one_trained_model_in_all_seeds_is_one_model() -> None:
    left = [record([1, 0], seed, victim="the same") for seed in range(3)]
    right = [record([0, 0], seed, "graphcl") for seed in range(3)]
    found = seed_differences(left, right)
    assert found is not None
    assert (found.models, found.are_methods) == (1, False)


def test_only_the_same_graphs_are_compared() -> None:
    left = [record([1, 1, 1], 0), record([1], 1), record([1, 1], 2)]
    right = [
        record([0, 0, 0], 0, "graphcl", start=1),
        record([0], 1, "graphcl", data="another"),
        record([0], 3, "graphcl"),
    ]
    found = seed_differences(left, right)
    assert found is not None
    assert (found.n_seeds, found.targets, found.values) == (1, 2, (1.0,))
    assert seed_differences([left[1]], [right[1]]) is None


def test_gap_to_the_exact_worst_case() -> None:
    attack, exact = record(bits(70, 100)), record(bits(60, 100), attack="exhaustive")
    found = gap_to_worst_case([attack], [exact])
    assert found is not None
    assert (found.mean, found.missed, found.beyond) == (0.1, 10, 0)
    assert (found.low, found.high) == exact_interval(10, 100)
    same = gap_to_worst_case([exact], [exact])
    assert same is not None
    assert (same.mean, same.low) == (0.0, 0.0)
    assert same.high > 0
    assert (
        gap_to_worst_case([attack], [record(bits(60, 100), attack="exhaustive", victim="another")])
        is None
    )
    assert (
        gap_to_worst_case([attack], [record(bits(60, 100), attack="exhaustive", budget=2)]) is None
    )


def test_an_attack_beyond_the_worst_case_shows() -> None:
    found = gap_to_worst_case([record([0, 1, 1])], [record([1, 0, 1], attack="exhaustive")])
    assert found is not None
    assert (found.beyond, found.missed, found.mean) == (1, 1, 0.0)
    assert (found.low, found.high) == (-1.0, 1.0)


def test_groups_are_cells_without_their_seed() -> None:
    records = [record([1], seed, method) for seed in (2, 0, 1) for method in ("none", "augcl")]
    groups = by_group(records)
    assert list(groups) == [
        Group("suite", "data", method, "gin", 2, "rl_s2v", "strict", 1)
        for method in ("augcl", "none")
    ]
    assert [[r.cell.seed for r in group] for group in groups.values()] == [[0, 1, 2], [0, 1, 2]]


def test_one_per_seed_takes_the_first_attack() -> None:
    records = [record([1], 1, attack="b"), record([1], 0, attack="b"), record([1], 1, attack="a")]
    assert [(r.cell.seed, r.cell.attack) for r in one_per_seed(records)] == [(0, "b"), (1, "a")]


@given(
    st.lists(
        st.lists(st.tuples(st.booleans(), st.booleans()), min_size=3, max_size=3),
        min_size=1,
        max_size=4,
    )
)
def test_intervals_hold_their_means(seeds: list[list[tuple[bool, bool]]]) -> None:
    left = [record([a for a, _ in graphs], seed) for seed, graphs in enumerate(seeds)]
    right = [record([b for _, b in graphs], seed, "graphcl") for seed, graphs in enumerate(seeds)]
    share, gap = estimate(left), gap_to_worst_case(left, left)
    found = seed_differences(left, right)
    assert share is not None
    assert found is not None
    assert 0 <= share.low <= share.mean + 1e-12
    assert share.mean - 1e-12 <= share.high <= 1
    assert gap is not None
    assert gap.low == gap.mean == 0 < gap.high <= 1
    if found.are_methods:
        low, high = simultaneous_interval(found, 3)
        assert -1 <= low <= found.mean + 1e-12
        assert found.mean - 1e-12 <= high <= 1


@pytest.mark.parametrize("n", [38, 200])
def test_the_exact_interval_covers_what_it_promises(n: int) -> None:
    # By the exact binomial distribution, not by simulation, and near 0 too, where gaps lie.
    intervals = [exact_interval(k, n) for k in range(n + 1)]
    for p in [*np.linspace(0.001, 0.05, 50), *np.linspace(0.05, 0.95, 46)]:
        covered = sum(
            math.comb(n, k) * p**k * (1 - p) ** (n - k)
            for k, (low, high) in enumerate(intervals)
            if low <= p <= high
        )
        assert covered >= 0.95
