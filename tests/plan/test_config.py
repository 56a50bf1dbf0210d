"""From TOML tables to settings: what errors say, and `--set`."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robust_augcl.errors import InputError
from robust_augcl.plan.suite import load_suite
from robust_augcl.plan.toml_tables import build
from robust_augcl.plan.toml_text import override


@dataclass(frozen=True)
class Part:
    ratio: float
    name: Literal["one", "two"] = "one"


@dataclass(frozen=True)
class Settings:
    alpha: Literal["mean", "sum"] | float = "mean"
    budget: int | float | None = None
    count: int = 1
    parts: tuple[Part, ...] = ()


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"alpha": "median"},
            "settings: Expected `alpha` to be 'mean' or 'sum' or a number, got 'median'",
        ),
        (
            {"budget": "large"},
            "settings: Expected `budget` to be a number, got 'large'",
        ),
        ({"count": 1.5}, "settings: Expected `count` to be a whole number, got 1.5"),
        ({"count": "1"}, "settings: Expected `count` to be a whole number, got '1'"),
        (
            {"parts": [{"ratio": 0.1}, {"ratio": "all"}]},
            "settings: Expected `parts.1.ratio` to be a number, got 'all'",
        ),
        (
            {"parts": [{"ratio": 0.1, "name": "three"}]},
            "settings: Expected `parts.0.name` to be 'one' or 'two', got 'three'",
        ),
        (
            {"parts": [{"ratio": 0.1}, {"name": "one"}]},
            "settings: Expected `parts.1.ratio`, got nothing",
        ),
        (
            {"count": "x", "alpha": True},
            "settings: Expected `alpha` to be 'mean' or 'sum' or a number, got True",
        ),
    ],
)
def test_errors_name_the_key_as_it_stands_in_the_table(table, message):
    with pytest.raises(InputError) as error:
        build(Settings, table, "settings")
    assert str(error.value) == message


# --- --set ----------------------------------------------------------------------------------------


TABLE = {
    "name": "tiny",
    "methods": [
        {"name": "augcl"},
        {"name": "augcl", "label": "1/mean - 0.2"},
        {"name": "augcl", "label": "a = b"},
    ],
}


@pytest.mark.parametrize(
    ("assignment", "method", "key", "value"),
    [
        ("methods.augcl.delta=0.3", 0, "delta", 0.3),
        ('methods."1/mean - 0.2".delta=0.3', 1, "delta", 0.3),
        ("methods.'1/mean - 0.2'.delta = 0.3", 1, "delta", 0.3),
        ('methods . "a = b" . "delta"=0.3', 2, "delta", 0.3),
        (r'methods."a \u003D b".delta=0.3', 2, "delta", 0.3),
        ('methods.augcl.alpha="row = mean"', 0, "alpha", "row = mean"),
        ("methods.augcl.alpha=a.b=c", 0, "alpha", "a.b=c"),
    ],
)
def test_a_part_of_a_key_can_be_quoted(assignment, method, key, value):
    table = copy.deepcopy(TABLE)
    override(table, assignment)
    expected = copy.deepcopy(TABLE)
    expected["methods"][method][key] = value
    assert table == expected


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="'"), min_size=1))
def test_any_label_can_be_named_in_quotes(label):
    table = {"methods": [{"name": "augcl", "label": label}]}
    override(table, f"methods.'{label}'.delta=0.3")
    assert table["methods"] == [{"name": "augcl", "label": label, "delta": 0.3}]


@pytest.mark.parametrize(
    "assignment",
    [
        "delta",
        "",
        "=3",
        "methods..delta=3",
        ".delta=3",
        "methods.=3",
        'methods."".delta=3',
        '"delta=3"',
    ],
)
def test_what_is_no_assignment_is_refused(assignment):
    with pytest.raises(InputError, match=r"dotted\.key=value"):
        override(copy.deepcopy(TABLE), assignment)


def test_an_unknown_label_is_refused_with_the_nearest():
    with pytest.raises(InputError) as error:
        override(copy.deepcopy(TABLE), 'methods."1/mean - 0.3".delta=1')
    assert "'1/mean - 0.3', did you mean '1/mean - 0.2'?" in str(error.value)
    assert '--set methods."1/mean - 0.3".delta:' in str(error.value)


def test_a_method_of_the_alpha_suite_can_be_set():
    made = load_suite("alpha", ['methods."1/mean - 0.2".delta=0.3'])
    assert {
        method.label: method.what.delta
        for method in made.methods
        if method.label.startswith("1/mean -")
    } == {
        "1/mean - 0.2": 0.3,
        "1/mean - 0.5": 0.5,
    }
