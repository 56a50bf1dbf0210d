"""Fitted growth beside SciPy's regression, and what tables and figure make of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress

from robust_augcl.reports.scaling import exponent_text, figure_of, growth_of, text_of
from robust_augcl.results.growth import Clusters, Point, fitted


@given(
    st.lists(st.floats(0.01, 100), min_size=3, max_size=8, unique=True),
    st.integers(0, 2**32 - 1),
)
def test_the_fit_is_that_of_a_regression(sizes, seed):
    values = np.random.default_rng(seed).uniform(0.1, 10, len(sizes)).tolist()
    logs = np.log(sizes)
    if np.ptp(logs) < 1e-3:
        return
    expected = linregress(logs, np.log(values))
    found = fitted(sizes, values)
    assert found.exponent == pytest.approx(expected.slope, rel=1e-6, abs=1e-9)
    assert found.error == pytest.approx(expected.stderr, rel=1e-5, abs=1e-9)


def test_too_few_points_have_no_growth():
    assert fitted([1, 2], [0.0, 1.0]) is None
    assert fitted([2, 2], [1.0, 3.0]) is None
    assert fitted([1, 2], [1.0, 2.0]).error is None


def drawn():
    parts = {"linear": 1.0, "quadratic": 2.0}
    return [
        Point(what, "graphs", float(size), 0.001 * size**power, 5.0)
        for what, power in parts.items()
        for size in (10, 20, 40, 80, 160)
    ]


def test_tables_say_the_exponents():
    clusters = [Clusters("MUTAG", 188, 0.71, 0.124, 0.3)]
    text = text_of(drawn(), clusters)
    assert "| linear | 0.01 s, 5 MiB |" in text
    lines = {line.split(" | ")[0]: line for line in text.splitlines()}
    assert lines["| linear"].endswith("| 1.00 ± 0.00 | 0.00 ± 0.00 |")
    assert lines["| quadratic"].endswith("| 2.00 ± 0.00 | 0.00 ± 0.00 |")
    assert lines["| MUTAG"] == "| MUTAG | 188 | 0.71 | 0.12 | 0.30 |"


def test_only_the_upper_half_is_fitted():
    small = [Point("a", "graphs", float(size), 7.0, 0.0) for size in (1, 2, 3)]
    large = [Point("a", "graphs", float(size), float(size), 0.0) for size in (10, 20, 40)]
    assert growth_of(small + large).exponent == pytest.approx(1)
    assert exponent_text(growth_of(small, "mebibytes")) == "-"


def test_the_figure_is_drawn_and_needs_points():
    assert figure_of(drawn()).startswith(b"\x89PNG")
    assert figure_of(drawn()) == figure_of(drawn())
    with pytest.raises(ValueError, match="at least one point"):
        figure_of([])
