"""The answer of a report: what is exact is not told as two bounds."""

from __future__ import annotations

from robust_augcl.reports._answer import _bracket
from robust_augcl.reports._claims import _ends
from robust_augcl.reports._view import Worst
from robust_augcl.results.statistics import Estimate


def of(share: float) -> Estimate:
    return Estimate(share, share, share, 3, 900)


def test_one_exact_number_is_no_pair_of_bounds() -> None:
    exact, open_ = Worst(of(0.328), of(0.328), True, 1.0), Worst(of(0.334), of(0.336), False, 0.99)
    assert _bracket(exact, some_exact=True) == "32.8 % (exact)"
    assert _bracket(open_, some_exact=True) == "33.4 to 33.6 % (bounds)"
    assert _bracket(open_, some_exact=False) == "33.4 to 33.6 %"
    assert _ends(0.5, 0.5) == "50.0 % (exact)"
    assert _ends(0.4, 0.5) == "40.0 to 50.0 %"
