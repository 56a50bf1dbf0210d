"""Arguments of `evaluate` of a wrong kind are refused by name."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from given_models import Counts, graphs

import robust_augcl as ra
from robust_augcl.cli.evaluating import _victims
from robust_augcl.errors import InputError

WRONG = [
    ("models", Counts),
    ("models", None),
    ("models", "gin"),
    ("models", {"gin": 3}),
    ("graphs", 3),
    ("graphs", None),
    ("fit", 2),
    ("attacks", None),
    ("attacks", 3),
    ("seeds", 3),
    ("seeds", "01"),
    ("out", ""),
    ("out", 3),
    ("budgets", 2),
    ("certificates", "yes"),
    ("adapter", "function"),
    ("workers", 0),
    ("workers", "two"),
    ("device", "tpu"),
    ("archives", 3),
    ("name", None),
    ("data_name", 3),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_kind_is_refused_by_name(name, value):
    arguments = {"models": Counts(), "graphs": graphs(2), name: value}
    threat = ra.ThreatModel(budget=1, operations=("add",))
    with pytest.raises(InputError, match=f"Expected `{name}` to be .*, got "):
        ra.evaluate(arguments.pop("models"), arguments.pop("graphs"), threat=threat, **arguments)


@pytest.mark.parametrize("name", ["net.py", "net.py:", "acme.models", "gin=net.py"])
def test_a_model_without_its_function_is_refused_in_clear_words(name):
    options = SimpleNamespace(models=[name], weights=[], adapters=[])
    with pytest.raises(InputError, match="Expected --model to name a function that returns"):
        _victims(options)
