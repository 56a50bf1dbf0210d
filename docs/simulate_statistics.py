"""Do the statistics hold? Intervals, alarms and power, simulated with known truth.

    python docs/simulate_statistics.py --trials 20000 --seed 0

It prints the tables that docs/measurements.md shows. The rule that is simulated, with its letters,
stands in `robust_augcl/results/method_tests.py`. Its functions take one suite at a time. Here all
trials of a cell are computed at once, from the same formulas; a test holds these against the
functions (`tests/results/test_simulated_statistics.py`).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import betaincinv, stdtr

from robust_augcl.results.intervals import ALPHA, CONFIDENCE, ONE_EACH_WAY, t_quantile
from robust_augcl.results.power import detectable_difference

SEEDS = (2, 3, 5, 10, 30)
Array = np.ndarray
Chance = np.random.Generator
Rows = Callable[[int, Chance], Iterable[tuple[str, list[float]]]]
Table = tuple[str, Sequence[int], Rows]

_TAIL = (1 - CONFIDENCE) / 2
_NORMAL = 1.959963984540054  # what a normal number exceeds with a chance of `_TAIL`
_AT_ONCE = 500  # data sets


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=20_000, help="simulated suites of each cell")
    parser.add_argument("--seed", type=int, default=0, help="of the generator of all chance")
    parser.add_argument("--table", type=int, choices=range(1, 6), help="only this one of the five")
    wanted = parser.parse_args(arguments)
    if wanted.trials < 1 or wanted.seed < 0:
        parser.error("Expected --trials to be at least 1 and --seed at least 0")
    generators = np.random.default_rng(wanted.seed).spawn(len(TABLES))
    for number, (table, chance) in enumerate(zip(TABLES, generators, strict=True), 1):
        if wanted.table in (None, number):
            show(table, wanted.trials, chance)


def show(table: Table, trials: int, chance: Chance) -> None:
    """Print one table, row by row."""
    title, seeds, rows = table
    print(f"\n{title}, in percent:\n")
    print(f"| | {' | '.join(f'{n} seed' + 's' * (n > 1) for n in seeds)} |")
    print("|---" * (len(seeds) + 1) + "|")
    for name, shares in rows(trials, chance):
        cells = ["-" if math.isnan(share) else f"{100 * share:.1f}" for share in shares]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


# --- the rule, of all trials at once --------------------------------------------------------------


@dataclass(frozen=True)
class Trials:
    """What `SeedDifferences` holds of one pair, of T trials.

    Args:
        values: a share or a difference of shares a seed (T, S).
        targets: N.
        test_to_train: r.
    """

    values: Array
    targets: int
    test_to_train: float = 0.0

    @property
    def seeds(self) -> int:
        """S."""
        return int(self.values.shape[1])

    @cached_property
    def mean(self) -> Array:
        """Over the seeds (T)."""
        return np.asarray(self.values.mean(1))

    @cached_property
    def error(self) -> Array:
        """The error of the mean (T)."""
        spread = self.values.var(1, ddof=1) * (1 / self.seeds + self.test_to_train)
        return np.sqrt(np.maximum(spread, ONE_EACH_WAY / (self.targets + 2) ** 2))

    def interval(self, size: int = 1) -> tuple[Array, Array]:
        """The ends of the simultaneous interval of one of `size` differences (T), (T)."""
        half = t_quantile(ALPHA / (2 * size), self.seeds - 1) * self.error
        return np.maximum(self.mean - half, -1.0), np.minimum(self.mean + half, 1.0)

    def p_of_difference(self) -> Array:
        """The two-sided p-values of no difference (T)."""
        return np.asarray(2 * stdtr(self.seeds - 1, -np.abs(self.mean) / self.error))

    def p_of_equivalence(self, margin: float) -> Array:
        """The p-values of a difference of the margin or more (T)."""
        inside = (margin - np.abs(self.mean)) / self.error
        return np.asarray(stdtr(self.seeds - 1, -inside))


def corrected(differ: Array, equal: Array) -> tuple[Array, Array]:
    """The p-values of families of m pairs, corrected: (T, m) and (T, m), of either test."""
    trials, pairs = differ.shape
    given = np.concatenate([differ, equal], axis=1)
    order = given.argsort(axis=1, kind="stable")
    found, left = np.ones_like(given), np.full((trials, pairs), 2)
    reached, every = np.zeros(trials), np.arange(trials)
    for column in order.T:
        possible = (left > 0).sum(1)
        reached = np.maximum(reached, np.minimum(1.0, possible * given[every, column]))
        found[every, column] = reached
        left[every, column % pairs] -= 1
    return found[:, :pairs], found[:, pairs:]


def share_ends(trials: Trials) -> tuple[Array, Array]:
    """The ends of the intervals of shares (T), (T); of one seed those of its model."""
    if trials.seeds == 1:
        return exact_ends(trials.mean * trials.targets, np.asarray(float(trials.targets)))
    rounded = (trials.mean * trials.targets + 1) / (trials.targets + 2)
    count = rounded * (1 - rounded) / trials.error**2
    count *= (_NORMAL / t_quantile(_TAIL, trials.seeds - 1)) ** 2
    low, high = exact_ends(trials.mean * count, count)
    return np.minimum(low, trials.mean), np.maximum(high, trials.mean)


def exact_ends(right: Array, total: Array) -> tuple[Array, Array]:
    """Clopper and Pearson's ends (T), (T)."""
    right = np.clip(right, 0.0, total)
    wrong = total - right
    with np.errstate(invalid="ignore"):
        low = np.where(right > 0, betaincinv(right, wrong + 1, _TAIL), 0.0)
        high = np.where(wrong > 0, betaincinv(right + 1, wrong, 1 - _TAIL), 1.0)
    return low, high


def holding(ends: tuple[Array, Array], true: float) -> float:
    """The share of intervals that hold the true value."""
    low, high = ends
    return float(((low <= true) & (true <= high)).mean())


# --- differences ----------------------------------------------------------------------------------

_DIFFERENCES = (
    (300, 0.15, 0.0, 0.01),
    (300, 0.15, 0.02, 0.01),
    (300, 0.05, 0.02, 0.0),
    (300, 0.01, 0.0, 0.0),
    (38, 0.3, 0.1, 0.03),
    (38, 0.1, 0.05, 0.0),
    (38, 0.05, 0.0, 0.0),
    (38, 0.03, 0.0, 0.0),
    (38, 0.01, 0.0, 0.0),
)
"""Graphs of each seed, the share on which the models are apart, the difference, its spread."""

_COLLAPSED = (0.05, 0.1, 0.3)
"""The share of seeds of which one model collapses, as a training that came to nothing."""


def difference_rows(trials: int, chance: Chance) -> Iterable[tuple[str, list[float]]]:
    """How often the interval of a difference holds the true one."""
    for graphs, apart, true, spread in _DIFFERENCES:
        name = (
            f"{graphs} graphs a seed, models apart on {100 * apart:g} %, difference {100 * true:g} "
            f"points (seeds ± {100 * spread:g})"
        )
        drawn = (differences(trials, n, graphs, apart, true, spread, chance) for n in SEEDS)
        yield name, [holding(each.interval(), true) for each in drawn]
    for often in _COLLAPSED:
        name = (
            f"300 graphs a seed, the left model collapses in {100 * often:g} % of the seeds and "
            "loses 27 points, else equal on average"
        )
        truth = -0.27 * often
        drawn = (of_two_kinds(trials, n, often, chance) for n in SEEDS)
        yield name, [holding(each.interval(), truth) for each in drawn]


def differences(
    trials: int,
    n_seeds: int,
    graphs: int,
    apart: float,
    true: float,
    spread: float,
    chance: Chance,
) -> Trials:
    """Differences of two methods, one of each trial.

    Args:
        trials: how many.
        n_seeds: S.
        graphs: of each seed.
        apart: the share of graphs that only one of the two models gets right.
        true: the true difference.
        spread: the standard deviation of a seed's own true difference around it.
        chance: where all of it comes from.
    """
    own = np.clip(true + spread * chance.standard_normal((trials, n_seeds)), -apart, apart)
    return from_graphs(own, graphs, apart, chance)


def of_two_kinds(trials: int, n_seeds: int, often: float, chance: Chance) -> Trials:
    """Differences of two equal methods, of which the left one's training may come to nothing."""
    collapsed = chance.random((trials, n_seeds)) < often
    own = 0.01 * chance.standard_normal((trials, n_seeds)) - 0.27 * collapsed
    return from_graphs(own, 300, 0.4, chance)


def from_graphs(own: Array, graphs: int, apart: float, chance: Chance) -> Trials:
    """What so many graphs show of each seed's own true difference (T, S)."""
    discordant = chance.binomial(graphs, apart, size=own.shape)
    wins = chance.binomial(discordant, (apart + own) / (2 * apart))
    return Trials((2 * wins - discordant) / graphs, graphs * own.shape[1])


# --- shares ---------------------------------------------------------------------------------------

_SHARES = (
    ("accuracy", 300, 0.6, 0.05),
    ("accuracy", 38, 0.6, 0.05),
    ("gap", 300, 0.05, 0.6),
    ("gap", 300, 0.02, 0.7),
    ("gap", 300, 0.01, 0.0),
    ("gap", 300, 0.003, 0.0),
    ("gap", 38, 0.05, 0.6),
    ("gap", 38, 0.02, 0.0),
    ("gap", 38, 0.003, 0.0),
)
"""What, graphs of each seed, the true share, its spread over the seeds as a share of it."""


def share_rows(trials: int, chance: Chance) -> Iterable[tuple[str, list[float]]]:
    """How often the interval of a share holds the true one. One seed speaks for its model."""
    for what, graphs, true, relative in _SHARES:
        name = (
            f"{what} {100 * true:g} % (seeds ± {100 * relative * true:.2g}), {graphs} graphs a seed"
        )
        covered = []
        for n_seeds in (1, *SEEDS):
            of_seed = own_shares(trials, n_seeds, true, relative * true * (n_seeds > 1), chance)
            covered.append(holding(share_ends(shares(of_seed, graphs, chance)), true))
        yield name, covered
    for often in _COLLAPSED:
        name = f"accuracy 60 %, in {100 * often:g} % of the seeds 33 % (collapsed), 300 graphs"
        true = 0.6 - 0.27 * often
        covered = [math.nan]
        for n_seeds in SEEDS:
            of_seed = 0.6 - 0.27 * (chance.random((trials, n_seeds)) < often)
            covered.append(holding(share_ends(shares(of_seed, 300, chance)), true))
        yield name, covered


def shares(of_seed: Array, graphs: int, chance: Chance) -> Trials:
    """What so many graphs show of each seed's own true share (T, S)."""
    return Trials(chance.binomial(graphs, of_seed) / graphs, graphs * of_seed.shape[1])


def own_shares(trials: int, n_seeds: int, true: float, spread: float, chance: Chance) -> Array:
    """The true share of each seed (T, S), beta distributed around the true one."""
    if spread == 0:
        return np.full((trials, n_seeds), true)
    size = true * (1 - true) / spread**2 - 1
    return chance.beta(true * size, (1 - true) * size, size=(trials, n_seeds))


# --- splits of one data set -----------------------------------------------------------------------

_GRAPHS, _TEST, _FEATURES = 188, 38, 10


def split_rows(trials: int, chance: Chance) -> Iterable[tuple[str, list[float]]]:
    """How often intervals of resampled splits hold what the methods do with so many graphs.

    188 graphs, 20 % of them for the test, of two classes in ten features; the methods are nearest
    centroids of the first five features, and of all ten. Each trial draws another data set.
    """
    truth = float(split_differences(10 * trials, 1, chance).mean())
    drawn = {n_seeds: split_differences(trials, n_seeds, chance) for n_seeds in SEEDS}
    train = _GRAPHS - _TEST
    for name, ratio in (("corrected (Nadeau and Bengio)", _TEST / train), ("not corrected", 0.0)):
        found = (Trials(values, _GRAPHS, ratio) for values in drawn.values())
        yield name, [holding(each.interval(), truth) for each in found]


def split_differences(trials: int, n_splits: int, chance: Chance) -> Array:
    """The differences of the two methods' accuracies on splits of a data set a trial (T, S)."""
    return np.concatenate(
        [
            _some_splits(min(_AT_ONCE, trials - start), n_splits, chance)
            for start in range(0, trials, _AT_ONCE)
        ]
    )


def _some_splits(trials: int, n_splits: int, chance: Chance) -> Array:
    """The same of a few trials, which take some hundred MB at once."""
    y = chance.integers(0, 2, (trials, 1, _GRAPHS)) == 1
    x = chance.standard_normal((trials, _GRAPHS, _FEATURES)) + 0.3 * y.transpose(0, 2, 1)
    draws = chance.random((trials, n_splits, _GRAPHS))
    test = draws <= np.partition(draws, _TEST - 1, axis=-1)[..., _TEST - 1 : _TEST]
    one, zero = (_centres(x, ~test & (y == which)) for which in (True, False))
    middle, way = (zero + one) / 2, one - zero
    rights = []
    for features in (5, 10):
        own = way[..., :features]
        beyond = (middle[..., :features] * own).sum(-1, keepdims=True)
        above = own @ x[..., :features].transpose(0, 2, 1) > beyond
        rights.append(((above == y) & test).sum(-1) / _TEST)
    return rights[0] - rights[1]


def _centres(x: Array, chosen: Array) -> Array:
    """The mean of the chosen graphs of each split: (T, S, features)."""
    return (chosen.astype(float) @ x) / chosen.sum(-1, keepdims=True)


# --- alarms and power -----------------------------------------------------------------------------


def alarm_rows(trials: int, chance: Chance) -> Iterable[tuple[str, list[float]]]:
    """How often a family says anything that is false; and equivalence at its margin."""

    def of_equals(n_seeds: int, graphs: int) -> float:
        # Three methods that are one: their pairs share models. Only differences can be wrong.
        right = chance.binomial(graphs, 0.6, size=(trials, n_seeds, 3)) / graphs
        return _rate(judged(right, graphs, 0.02)[0])

    def of_distant(n_seeds: int, graphs: int) -> float:
        # One method differs from the others by exactly the margin: two pairs may not be called
        # equivalent, and the third, which comes first, may not be decided.
        right = chance.binomial(graphs, [0.6, 0.6, 0.65], size=(trials, n_seeds, 3)) / graphs
        differ, equal = judged(right, graphs, 0.05)
        return _rate(np.concatenate([differ[:, :1], equal[:, 1:]], axis=1))

    def at_margin(n_seeds: int, graphs: int) -> float:
        drawn = differences(trials, n_seeds, graphs, 0.15, 0.02, 0.01, chance)
        return _rate(drawn.p_of_equivalence(0.02)[:, None])

    def of_five(n_seeds: int, graphs: int) -> float:
        right = chance.binomial(graphs, 0.6, size=(trials, n_seeds, 5)) / graphs
        return _rate(judged(right, graphs, 0.02)[0])

    def of_collapsing(n_seeds: int, graphs: int) -> float:
        # Any of three equal methods collapses in one seed of ten, each by itself.
        own = 0.6 - 0.27 * (chance.random((trials, n_seeds, 3)) < 0.1)
        return _rate(judged(chance.binomial(graphs, own) / graphs, graphs, 0.02)[0])

    kinds: tuple[tuple[str, Callable[[int, int], float]], ...] = (
        ("three equal methods, 3 pairs: any is decided", of_equals),
        ("one of three apart by the margin: anything false is said", of_distant),
        ("one pair apart by the margin: called equivalent", at_margin),
        ("five equal methods, 10 pairs: any is decided", of_five),
        ("three equal methods, each collapses in 10 % of the seeds: any is decided", of_collapsing),
    )
    for name, alarms in kinds:
        for graphs in (300, 38):
            yield f"{name}, {graphs} graphs", [alarms(n_seeds, graphs) for n_seeds in SEEDS]


def judged(right: Array, graphs: int, margin: float) -> tuple[Array, Array]:
    """The corrected p-values of difference and equivalence of all pairs of M methods (T, pairs).

    `right` holds their accuracies (T, S, M). Pairs of neighbours come first.
    """
    methods = right.shape[2]
    apart = range(1, methods)
    pairs = [(first, first + by) for by in apart for first in range(methods - by)]
    found = [Trials(right[..., i] - right[..., j], graphs * right.shape[1]) for i, j in pairs]
    differ = np.stack([each.p_of_difference() for each in found], axis=1)
    equal = np.stack([each.p_of_equivalence(margin) for each in found], axis=1)
    return corrected(differ, equal)


def _rate(p_values: Array) -> float:
    """In which share of the trials one of the p-values (T, any) says something."""
    return float((p_values.min(1) <= ALPHA).mean())


def power_rows(trials: int, chance: Chance) -> Iterable[tuple[str, list[float]]]:
    """How often a difference is shown that so many seeds are said to show in 80 %."""
    for size in (1, 3, 10):
        yield f"one of {size}", [_shown(trials, n_seeds, size, chance) for n_seeds in SEEDS]


def _shown(trials: int, n_seeds: int, size: int, chance: Chance) -> float:
    """By the first step, among comparisons that show nothing; nan where no difference is shown."""
    apart, spread, graphs = 0.3, 0.01, 300
    deviation = math.sqrt(spread**2 + apart / graphs)
    for _ in range(20):  # the graphs' own spread depends on the difference
        true = detectable_difference(deviation, n_seeds, size)
        deviation = math.sqrt(spread**2 + max(apart - true**2, 0.0) / graphs)
    if true > 0.8 * apart:
        return math.nan
    drawn = differences(trials, n_seeds, graphs, apart, true, spread, chance)
    return float((size * drawn.p_of_difference() <= ALPHA).mean())


TABLES: tuple[Table, ...] = (
    ("Intervals of differences cover", SEEDS, difference_rows),
    ("Intervals of accuracies and gaps cover", (1, *SEEDS), share_rows),
    ("Splits of one data set: intervals cover", SEEDS, split_rows),
    ("False alarms", SEEDS, alarm_rows),
    ("Shown of the difference that is said to be shown in 80", SEEDS, power_rows),
)
"""Each with its title and its numbers of seeds; each has a generator of its own."""


if __name__ == "__main__":
    main()
