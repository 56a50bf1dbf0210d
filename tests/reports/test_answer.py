"""The answer of a report: what is exact is not told as two bounds."""

from __future__ import annotations

import random
from dataclasses import replace

from hand_made import key_of, ref_of
from published_runs import run_of

from robust_augcl.reports._answer import _bracket, answer
from robust_augcl.reports._claims import _ends
from robust_augcl.reports._view import Worst, view_of
from robust_augcl.results.measurements import Measurement
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


def test_a_budget_of_fewer_depths_says_which_they_are() -> None:
    run = run_of(random.Random(0), range(2))
    deeper = [
        replace(
            record,
            key=key_of("attack", "deeper", record.key),
            cell=replace(record.cell, layers=3),
            victim=ref_of("victim", "deeper", record.victim.key),
        )
        for record in run.records
        if record.cell.budget == 1
    ]
    view = view_of(replace(run, records=[*run.records, *deeper]))
    lines = list(answer(view, view.families[0]))
    (one,) = (line for line in lines if "stay right in the exact worst case" in line)
    (two,) = (line for line in lines if "layers only" in line)
    assert two.startswith("The next budget has results for 2 layers only. With up to 2 edges")
    assert one.startswith("With at most 1 edge")
    same = view_of(run)
    assert not any("layers only" in line for line in answer(same, same.families[0]))


def test_accuracies_before_attacks_stand_in_the_answer() -> None:
    run = run_of(random.Random(0), range(2))
    folds = [each for each in run.measurements if each.kind == "representation"]
    own = [each.values["accuracy"] for each in folds if each.cell.method == "augcl"]
    view = view_of(run)
    lines = list(answer(view, view.families[0]))
    (svm,) = (line for line in lines if "unsupervised" in line)
    assert "10 folds" in svm
    assert f"{10 * sum(map(sum, own)) / 2:.1f} % (augcl" in svm
    assert not any("attacked or not" in line for line in lines)

    each = {"none": 0.5, "graphcl": 0.6, "augcl": 0.7}
    probed = [
        Measurement(
            "linear_victim",
            victim.cell,
            {"accuracy": {"test": each[victim.cell.method] + victim.cell.seed / 10}},
            0.0,
        )
        for victim in run.measurements
        if victim.kind == "victim"
    ]
    view = view_of(replace(run, measurements=probed))
    (line,) = (line for line in answer(view, view.families[0]) if "attacked or not" in line)
    assert "55.0 % (none), 65.0 % (graphcl) and 75.0 % (augcl)" in line
