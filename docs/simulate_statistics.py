"""Do the statistics hold? Intervals, alarms and power, simulated with known truth.

    python docs/simulate_statistics.py --trials 20000 --seed 0

It prints the tables that docs/measurements.md shows. 20,000 trials take about ten minutes. The rule
that is simulated, with its letters, stands in `robust_augcl/results/method_tests.py`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from robust_augcl.results.intervals import ALPHA, share_interval
from robust_augcl.results.method_tests import (
    correct,
    p_of_difference,
    p_of_equivalence,
    simultaneous_interval,
)
from robust_augcl.results.power import detectable_difference
from robust_augcl.results.seed_differences import SeedDifferences

SEEDS = (2, 3, 5, 10, 30)
Chance = np.random.Generator
Rows = Callable[[int, Chance], Iterable[tuple[str, list[float]]]]
Table = tuple[str, Sequence[int], Rows]


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


# --- differences ----------------------------------------------------------------------------------


def difference_rows(trials: int, chance: Chance) -> Iterable[tuple[str, list[float]]]:
    """How often the interval of a difference holds the true one."""
    for graphs, apart, true, spread in (
        (300, 0.15, 0.0, 0.01),
        (300, 0.15, 0.02, 0.01),
        (300, 0.05, 0.02, 0.0),
        (300, 0.01, 0.0, 0.0),
        (38, 0.3, 0.1, 0.03),
        (38, 0.1, 0.05, 0.0),
        (38, 0.05, 0.0, 0.0),
        (38, 0.03, 0.0, 0.0),
        (38, 0.01, 0.0, 0.0),
    ):
        name = (
            f"{graphs} graphs a seed, models apart on {100 * apart:g} %, difference {100 * true:g} "
            f"points (seeds ± {100 * spread:g})"
        )

        covered = []
        for n_seeds in SEEDS:
            trial = differences(trials, n_seeds, graphs, apart, true, spread, chance)
            ends = [simultaneous_interval(each, 1) for each in trial]
            covered.append(holding(ends, true))
        yield name, covered


def differences(
    trials: int,
    n_seeds: int,
    graphs: int,
    apart: float,
    true: float,
    spread: float,
    chance: Chance,
) -> list[SeedDifferences]:
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
    discordant = chance.binomial(graphs, apart, size=own.shape)
    wins = chance.binomial(discordant, (apart + own) / (2 * apart))
    values = ((2 * wins - discordant) / graphs).tolist()
    return [SeedDifferences(tuple(each), graphs * n_seeds) for each in values]


# --- shares ---------------------------------------------------------------------------------------


def share_rows(trials: int, chance: Chance) -> Iterable[tuple[str, list[float]]]:
    """How often the interval of a share holds the true one. One seed speaks for its model."""
    for what, graphs, true, relative in (
        ("accuracy", 300, 0.6, 0.05),
        ("accuracy", 38, 0.6, 0.05),
        ("gap", 300, 0.05, 0.6),
        ("gap", 300, 0.02, 0.7),
        ("gap", 300, 0.01, 0.0),
        ("gap", 300, 0.003, 0.0),
        ("gap", 38, 0.05, 0.6),
        ("gap", 38, 0.02, 0.0),
        ("gap", 38, 0.003, 0.0),
    ):
        name = (
            f"{what} {100 * true:g} % (seeds ± {100 * relative * true:.2g}), {graphs} graphs a seed"
        )

        covered = []
        for n_seeds in (1, *SEEDS):
            of_seed = own_shares(trials, n_seeds, true, relative * true * (n_seeds > 1), chance)
            found = (chance.binomial(graphs, of_seed) / graphs).tolist()
            ends = [share_interval(each, graphs * n_seeds) for each in found]
            covered.append(holding(ends, true))
        yield name, covered


def own_shares(trials: int, n_seeds: int, true: float, spread: float, chance: Chance) -> np.ndarray:
    """The true share of each seed (trials, S), beta distributed around the true one."""
    if spread == 0:
        return np.full((trials, n_seeds), true)
    size = true * (1 - true) / spread**2 - 1
    return chance.beta(true * size, (1 - true) * size, size=(trials, n_seeds))


# --- splits of one data set -----------------------------------------------------------------------


def split_rows(trials: int, chance: Chance) -> Iterable[tuple[str, list[float]]]:
    """How often intervals of resampled splits hold what the methods do with so many graphs.

    188 graphs, 20 % of them for the test, of two classes in ten features; the methods are nearest
    centroids of the first five features, and of all ten. Each trial draws another data set, and
    there are a tenth as many trials.
    """
    trials = max(trials // 10, 1)
    truth = share(split_difference(*data(chance), chance) for _ in range(50 * trials))
    ratios = {"corrected (Nadeau and Bengio)": 38 / 150, "not corrected": 0.0}
    covered: dict[str, list[float]] = {name: [] for name in ratios}
    for n_seeds in SEEDS:
        drawn = []
        for _ in range(trials):
            graphs = data(chance)
            drawn.append(tuple(split_difference(*graphs, chance) for _ in range(n_seeds)))
        for name, ratio in ratios.items():
            pairs = [SeedDifferences(values, 188, None, ratio) for values in drawn]
            covered[name].append(holding([simultaneous_interval(p, 1) for p in pairs], truth))
    yield from covered.items()


def data(chance: Chance) -> tuple[np.ndarray, np.ndarray]:
    """Features (188, 10) and classes (188,) of a data set."""
    y = chance.integers(0, 2, 188)
    return chance.standard_normal((188, 10)) + 0.3 * y[:, None], y


def split_difference(x: np.ndarray, y: np.ndarray, chance: Chance) -> float:
    """The difference of the two methods' accuracies on the test graphs of one split."""
    order = chance.permutation(188)
    test, train = order[:38], order[38:]
    rights = []
    for features in (5, 10):
        seen = x[train, :features]
        zero, one = seen[y[train] == 0].mean(0), seen[y[train] == 1].mean(0)
        middle, way = (zero + one) / 2, one - zero
        rights.append(((x[test, :features] - middle) @ way > 0) == (y[test] == 1))
    return float(rights[0].mean() - rights[1].mean())


# --- alarms and power -----------------------------------------------------------------------------


def alarm_rows(trials: int, chance: Chance) -> Iterable[tuple[str, list[float]]]:
    """How often a family says anything that is false; and equivalence at its margin."""

    def of_equals(n_seeds: int, graphs: int) -> float:
        # Three methods that are one: their pairs share models. Only differences can be wrong.
        right = chance.binomial(graphs, 0.6, size=(trials, n_seeds, 3)) / graphs
        return share(min(_corrected(each, graphs, 0.02)[0]) <= ALPHA for each in right)

    def of_distant(n_seeds: int, graphs: int) -> float:
        # One method differs from the others by exactly the margin: two pairs may not be called
        # equivalent, and the third, which comes first, may not be decided.
        right = chance.binomial(graphs, [0.6, 0.6, 0.65], size=(trials, n_seeds, 3)) / graphs
        found = (_corrected(each, graphs, 0.05) for each in right)
        return share(min(differ[0], *equal[1:]) <= ALPHA for differ, equal in found)

    def at_margin(n_seeds: int, graphs: int) -> float:
        trial = differences(trials, n_seeds, graphs, 0.15, 0.02, 0.01, chance)
        return share(p_of_equivalence(each, 0.02) <= ALPHA for each in trial)

    kinds: tuple[tuple[str, Callable[[int, int], float]], ...] = (
        ("three equal methods, 3 pairs: any is decided", of_equals),
        ("one of three apart by the margin: anything false is said", of_distant),
        ("one pair apart by the margin: called equivalent", at_margin),
    )
    for name, alarms in kinds:
        for graphs in (300, 38):
            yield f"{name}, {graphs} graphs", [alarms(n_seeds, graphs) for n_seeds in SEEDS]


def _corrected(right: np.ndarray, graphs: int, margin: float) -> tuple[list[float], list[float]]:
    """The corrected p-values of difference and equivalence of the pairs of three methods.

    `right` holds their accuracies (S, 3). The pair of the first two comes first.
    """
    pairs = [
        SeedDifferences(tuple((right[:, i] - right[:, j]).tolist()), graphs * len(right))
        for i, j in ((0, 1), (1, 2), (0, 2))
    ]
    differ, equal = correct(
        [p_of_difference(pair) for pair in pairs],
        [p_of_equivalence(pair, margin) for pair in pairs],
    )
    assert equal is not None
    return differ, equal


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
    trial = differences(trials, n_seeds, graphs, apart, true, spread, chance)
    return share(size * p_of_difference(each) <= ALPHA for each in trial)


def holding(ends: Iterable[tuple[float, float]], true: float) -> float:
    """The share of intervals that hold the true value."""
    return share(low <= true <= high for low, high in ends)


def share(found: Iterable[float]) -> float:
    """The share of what holds, or the mean."""
    return float(np.mean(list(found)))


TABLES: tuple[Table, ...] = (
    ("Intervals of differences cover", SEEDS, difference_rows),
    ("Intervals of accuracies and gaps cover", (1, *SEEDS), share_rows),
    ("Splits of one data set (a tenth as many trials): intervals cover", SEEDS, split_rows),
    ("False alarms", SEEDS, alarm_rows),
    ("Shown of the difference that is said to be shown in 80", SEEDS, power_rows),
)
"""Each with its title and its numbers of seeds; each has a generator of its own."""


if __name__ == "__main__":
    main()
