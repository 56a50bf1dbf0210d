"""The table `[comparisons]` of a suite: what it takes and refuses, and that it computes nothing."""

from __future__ import annotations

import copy
import tomllib
from typing import Any

import pytest
from small_suites import TINY

from robust_augcl import registry
from robust_augcl.errors import InputError
from robust_augcl.plan.planner import plan
from robust_augcl.plan.step import with_inputs
from robust_augcl.plan.suite import load_suite, make_suite
from robust_augcl.results.comparisons import Rules
from robust_augcl.results.stated import Comparisons

TABLE = tomllib.loads(TINY)  # its methods are none, graphcl and augcl
PAIRS = [["augcl", "graphcl"], ["augcl", "none"]]


def stating(comparisons: Any, **other: Any) -> dict[str, Any]:
    return {**copy.deepcopy(TABLE), **other, "comparisons": comparisons}


def keys(table: dict[str, Any]) -> set[str]:
    planned = plan(make_suite(table, "here"))
    return {step.key for step in with_inputs(planned.steps)}


def test_pairs_and_margin_are_read_and_reach_the_rules() -> None:
    suite = make_suite(stating({"pairs": PAIRS, "margin": 0.02}), "here")
    expected = (("augcl", "graphcl"), ("augcl", "none"))
    assert suite.comparisons == Comparisons(expected, 0.02)
    planned_layers = tuple(TABLE["encoder"]["layers"])
    assert Rules.of(suite.table, 30) == Rules(expected, 0.02, 30, layers=planned_layers)


@pytest.mark.parametrize("table", [TABLE, stating({}), stating({"pairs": []})])
def test_a_suite_need_state_nothing(table: dict[str, Any]) -> None:
    assert make_suite(table, "here").comparisons == Comparisons((), None)


@pytest.mark.parametrize(
    ("comparisons", "message"),
    [
        ([], "here: Expected `comparisons` to be a table, got []"),
        (
            {"pair": PAIRS},
            "Unknown key in here: [comparisons]: 'pair', did you mean 'pairs'? "
            "(known: margin, pairs)",
        ),
        (
            {"pairs": "augcl"},
            "here: Expected `comparisons.pairs` to be an array of pairs of labels, got 'augcl'",
        ),
        (
            {"pairs": {"augcl": "none"}},
            "here: Expected `comparisons.pairs` to be an array of pairs of labels, got "
            "{'augcl': 'none'}",
        ),
        (
            {"pairs": [*PAIRS[:1], "augcl"]},
            "here: Expected `comparisons.pairs[1]` to be two labels, left less right, got 'augcl'",
        ),
        (
            {"pairs": [*PAIRS[:1], ["augcl", "graphcl", "none"]]},
            "here: Expected `comparisons.pairs[1]` to be two labels, left less right, got "
            "['augcl', 'graphcl', 'none']",
        ),
        (
            {"pairs": [["augcl", 1]]},
            "here: Expected `comparisons.pairs[0]` to be two labels, left less right, got "
            "['augcl', 1]",
        ),
        (
            {"pairs": [*PAIRS, ["AUGCL", "none"]]},
            "Unknown method in here: comparisons.pairs[2]: 'AUGCL' (known: augcl, graphcl, none)",
        ),
        (
            {"pairs": [["augcl", "grapcl"]]},
            "Unknown method in here: comparisons.pairs[0]: 'grapcl', did you mean 'graphcl'? "
            "(known: augcl, graphcl, none)",
        ),
        (
            {"pairs": [*PAIRS, ["none", "none"]]},
            "here: Expected `comparisons.pairs[2]` to be two different labels, got "
            "['none', 'none']",
        ),
        (
            {"pairs": [*PAIRS, ["augcl", "none"]]},
            "here: Expected `comparisons.pairs[2]` to be a pair that is not named yet, got "
            "['augcl', 'none'], which is `comparisons.pairs[1]` again",
        ),
        (
            {"pairs": [*PAIRS, ["graphcl", "augcl"]]},
            "here: Expected `comparisons.pairs[2]` to be a pair that is not named yet, got "
            "['graphcl', 'augcl'], which is `comparisons.pairs[0]` the other way round",
        ),
        *(
            (
                {"pairs": PAIRS, "margin": margin},
                "here: Expected `comparisons.margin` to be a share above 0 and below 1, got "
                f"{margin!r}",
            )
            for margin in (0, 0.0, -0.02, 1, 1.0, 2, "2 %", True, [0.02], None)
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place_its_value_and_what_was_expected(
    comparisons: Any, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        make_suite(stating(comparisons), "here")
    assert str(caught.value) == message


def test_given_models_are_compared_with_one_another_and_never_with_a_method() -> None:
    victims = [{"label": "mine", "model": "a:b"}, {"label": "theirs", "model": "a:c"}]
    suite = make_suite(stating({"pairs": [["mine", "theirs"]]}, victims=victims), "here")
    assert suite.comparisons.pairs == (("mine", "theirs"),)
    with pytest.raises(
        InputError,
        match=r"here: Expected `comparisons.pairs\[0\]` to be two methods or two given models, "
        r"got one of each: \['mine', 'none'\]",
    ):
        make_suite(stating({"pairs": [["mine", "none"]]}, victims=victims), "here")
    with pytest.raises(InputError, match=r"Unknown method or given model in here: comparisons"):
        make_suite(stating({"pairs": [["mine", "yours"]]}, victims=victims), "here")


@pytest.mark.parametrize(
    "other", [{}, {"pairs": PAIRS}, {"pairs": PAIRS[:1], "margin": 0.3}, {"margin": 0.01}]
)
def test_no_step_is_addressed_by_it(other: dict[str, Any]) -> None:
    assert keys(stating(other)) == keys(TABLE)
    # Else the test could not fail.
    assert keys(stating(other, training={"epochs": 6})) != keys(TABLE)


def test_it_can_be_set() -> None:
    suite = load_suite("verdict", ["comparisons.margin=0.03"], seeds=[0])
    assert suite.comparisons.margin == 0.03
    assert suite.comparisons.pairs == load_suite("verdict").comparisons.pairs
    pairs = 'comparisons.pairs=[["hcl", "progcl"]]'
    assert load_suite("verdict", [pairs]).comparisons.pairs == (("hcl", "progcl"),)
    with pytest.raises(InputError, match=r"`comparisons.margin` to be a share.*got 'much'"):
        load_suite("verdict", ["comparisons.margin=much"])


def test_verdict_states_what_it_is_for() -> None:
    assert load_suite("verdict").comparisons == Comparisons(
        (
            ("augcl", "graphcl"),
            ("graphcl", "none"),
            ("augcl", "none"),
            ("augcl", "hcl"),
            ("augcl", "progcl"),
        ),
        0.02,
    )


@pytest.mark.parametrize("name", sorted(registry.suite_texts()))
def test_a_suite_that_compares_methods_states_which(name: str) -> None:
    suite = load_suite(name)
    assert suite.comparisons.pairs or len(suite.methods) < 2
    assert suite.comparisons.margin == 0.02
