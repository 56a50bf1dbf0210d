"""Every word that is said of a claim, from numbers that must give it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robust_augcl.results.claims import Claim, Estimate, judge_claim


def claim(how="maximum", value=0.08, **more):
    right = None if how == "accuracy" else "graphcl"
    within = 0.01 if how == "accuracy" else None
    fields = {"value": value, "right": right, "within": within, **more}
    about = "a-claim", "a paper", "abstract", "source read", "p", how, "embeddings", "augcl"
    return Claim(*about, **{"datasets": ("A",), **fields})


def cell(low, high, name="A", seeds=30, detectable=None, dataset=""):
    return Estimate(name, (low + high) / 2, low, high, seeds, detectable, dataset)


@pytest.mark.parametrize(
    ("how", "value", "cells", "word"),
    [
        ("maximum", 0.08, [(0.05, 0.10), (-0.02, 0.01)], "reproduced"),
        ("maximum", 0.08, [(0.09, 0.12)], "reproduced"),
        ("maximum", 0.08, [(0.01, 0.04), (-0.02, 0.01)], "smaller than claimed"),
        ("maximum", 0.08, [(-0.01, 0.04), (-0.02, 0.01)], "refuted"),
        ("maximum", 0.08, [(-0.01, 0.09), (-0.02, 0.01)], "undecided at this scale"),
        # One cell is better, another may hold the 8 points.
        ("maximum", 0.08, [(0.01, 0.04), (-0.02, 0.09)], "undecided at this scale"),
        ("difference", 0.02, [(0.01, 0.03)], "reproduced"),
        ("difference", 0.02, [(0.001, 0.019)], "smaller than claimed"),
        ("difference", 0.02, [(-0.01, 0.019)], "refuted"),
        ("difference", 0.02, [(-0.01, 0.021)], "undecided at this scale"),
        ("better", None, [(0.01, 0.02), (-0.5, -0.4)], "reproduced"),
        ("better", None, [(-0.01, 0.02), (-0.5, -0.4)], "undecided at this scale"),
        ("better", None, [(-0.1, 0.0), (-0.5, -0.4)], "refuted"),
        ("count", 2.0, [(0.01, 0.02), (0.01, 0.02), (-0.1, 0.1)], "reproduced"),
        ("count", 2.0, [(0.01, 0.02), (-0.02, -0.01)], "smaller than claimed"),
        ("count", 2.0, [(-0.01, 0.02), (-0.02, -0.01)], "refuted"),
        ("count", 2.0, [(-0.01, 0.02), (-0.02, 0.01)], "undecided at this scale"),
        ("accuracy", 0.85, [(0.845, 0.87)], "reproduced"),
        ("accuracy", 0.85, [(0.80, 0.835)], "smaller than claimed"),
        ("accuracy", 0.85, [(0.80, 0.86)], "undecided at this scale"),
    ],
)
def test_each_word_follows_from_intervals(how, value, cells, word):
    estimates = [cell(low, high, f"cell {place}") for place, (low, high) in enumerate(cells)]
    assert judge_claim(claim(how, value), estimates).word == word


def test_what_is_not_in_the_folder_is_not_tested_and_the_reason_names_it():
    verdict = judge_claim(claim(), [], missing=["NCI1"])
    assert (verdict.word, "NCI1" in verdict.why) == ("not measured here", True)


def test_one_seed_gives_no_verdict():
    verdict = judge_claim(claim(), [cell(0.1, 0.2, seeds=1)])
    assert (verdict.word, "one trained model each" in verdict.why) == ("no verdict", True)


def test_two_cells_of_one_data_set_count_once():
    better = [cell(0.01, 0.02, name, dataset="MUTAG") for name in ("2 layers", "3 layers")]
    assert judge_claim(claim("count", 2.0), better).word == "smaller than claimed"
    other = cell(0.01, 0.02, "NCI1", dataset="NCI1")
    assert judge_claim(claim("count", 2.0), [*better, other]).word == "reproduced"


def test_undecided_says_what_so_many_seeds_show():
    verdict = judge_claim(claim(), [cell(-0.01, 0.09, detectable=0.031)])
    assert "3.1 points would be found in 4 of 5 runs" in verdict.why


intervals = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(sorted)


@given(st.sampled_from(["maximum", "difference", "count"]), st.lists(intervals, min_size=1))
def test_where_a_cell_is_missing_a_difference_is_never_refuted_nor_smaller(how, ends):
    verdict = judge_claim(claim(how, 1.0), [cell(*pair) for pair in ends], missing=["B"])
    assert verdict.word in ("reproduced", "undecided at this scale")


@given(st.floats(0.001, 1), st.lists(intervals, min_size=1))
def test_a_maximum_is_refuted_only_if_all_upper_ends_lie_below_it(value, ends):
    verdict = judge_claim(claim("maximum", value), [cell(*pair) for pair in ends])
    below = all(high < value for _, high in ends)
    assert (verdict.word in ("refuted", "smaller than claimed")) == below


def test_an_interval_holds_its_mean():
    with pytest.raises(ValueError, match="`low` <= `mean` <= `high` of A"):
        Estimate("A", 0.5, 0.1, 0.2, 3)
