"""Arguments of `evaluate` of a wrong kind are refused by name."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from command_line import call
from given_models import Counts, graphs

import robust_augcl as ra
from robust_augcl.cli.evaluating import _victims
from robust_augcl.errors import InputError
from robust_augcl.plan.suite_settings import Certificates

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
    ("attacks", ()),
    ("attacks", {}),
    ("models", []),
    ("models", {"gin": []}),
    ("seeds", []),
    ("seeds", 3),
    ("seeds", "01"),
    ("out", ""),
    ("out", 3),
    ("budgets", 2),
    ("certificates", "yes"),
    ("adapter", "function"),
    ("edge_attributes", "yes"),
    ("added_edge", "median"),
    ("added_edge", [float("nan")]),
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


UNKNOWN_WORDS = [
    ({"attacks": ["nope"]}, "`attacks`: Unknown attack 'nope'"),
    ({"attacks": ["beam", "beam"]}, "`attacks`: Expected entries of different labels"),
    ({"budgets": [0]}, "Expected `budgets` to be positive, got 0"),
    ({"budgets": ["a"]}, "Expected `budgets.0` to be a number, got 'a'"),
    ({"seeds": [0, 0]}, "Expected `seeds` to be different numbers"),
    ({"data_name": ""}, "Expected `data_name` to be a name, got ''"),
    ({"models": {"a\nb": Counts()}}, "`models`: Expected `label` to be a name"),
    ({"certificates": Certificates(budgets=(7,))}, "`certificates`: Expected `budgets` to be some"),
]


@pytest.mark.parametrize(("stated", "words"), UNKNOWN_WORDS)
def test_nobody_is_told_of_tables_of_a_suite_that_was_never_written(stated, words):
    arguments = {"models": Counts(), "graphs": graphs(2), "workers": 1, **stated}
    threat = ra.ThreatModel(budget=1, operations=("add",))
    with pytest.raises(InputError) as refused:
        ra.evaluate(arguments.pop("models"), arguments.pop("graphs"), threat=threat, **arguments)
    text = str(refused.value)
    assert words in text
    assert "\n" not in text
    assert not re.search(r"\[[a-z]+\]", text)


OPTIONS = [
    (["--budget", "1", "--budget", "1"], "Expected `--budget` to be one or more different"),
    (["--budget", "1", "--attack", "nope"], "--attack: Unknown attack 'nope'"),
    (["--budget", "1", "--name", "a b"], "Expected `--name` to be at most 60"),
    (["--budget", "1", "--added-edge", "median"], "Expected --added-edge to be one of most_c"),
    (["--budget", "1", "--edge-attributes"], "`edge_attr`, as edge attributes are asked for"),
    (["--budget", "1", "--seeds", "0,0"], "--seeds"),
    (["--budget", "1", "--weights", "a.pt", "--weights", "b.pt", "--seeds", "0"], "--weights"),
]


@pytest.mark.parametrize(("stated", "words"), OPTIONS)
def test_nor_does_the_command_line_speak_of_them(stated, words, tmp_path):
    file = tmp_path / "one.jsonl"
    file.write_text('{"edges": [[0, 1]], "num_nodes": 2, "y": 0}\n')
    base = ["--model", "given_models:Counts", "--data", str(file), "--attack", "beam"]
    answer = call("evaluate", *base, *stated, "--out", tmp_path / "run")
    assert answer.code == 2, answer.err
    assert words in answer.err
    assert not re.search(r"\[[a-z]+\]", answer.err)


SUMS = """
import torch
from torch import nn

class Sums(nn.Module):
    def forward(self, x, edge_index, batch, edge_attr):
        size = int(batch.max()) + 1
        total = torch.zeros(size).index_add(0, batch[edge_index[0]], edge_attr[:, 0])
        return torch.stack([3.0 - total, total - 3.0], dim=1)
"""


@pytest.mark.thorough(but=["stated0-*"])
@pytest.mark.parametrize(
    ("stated", "carried"),
    [
        ([], 1.0),
        (["--added-edge", "most_common"], 1.0),
        (["--added-edge", "mean"], 1.25),
        (["--added-edge", "zeros"], 0.0),
        (["--added-edge", "-5"], -5.0),
        (["--edge-attributes", "--added-edge", "5.5"], 5.5),
    ],
)
def test_an_added_edge_carries_what_the_command_line_says(stated, carried, tmp_path):
    """The sum over both directions of all edges decides; in each graph one edge can be added."""
    (tmp_path / "sums.py").write_text(SUMS)
    lines = [
        '{"edges": [[0, 1], [1, 2]], "num_nodes": 3, "y": 1, "edge_attr": [[1], [1]]}',
        '{"edges": [[0, 1], [1, 2]], "num_nodes": 3, "y": 0, "edge_attr": [[1], [2]]}',
    ]
    (tmp_path / "bonds.jsonl").write_text("\n".join([*lines, ""]))
    files = ["--model", f"{tmp_path}/sums.py:Sums", "--data", tmp_path / "bonds.jsonl"]
    how = ["--attack", "exhaustive", "--budget", "1", "--workers", "1", "--quiet"]
    answer = call("evaluate", *files, *how, *stated, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    (record,) = ra.open_run(tmp_path / "run").records
    for outcome, total, sign in zip(record.outcomes, (4.0, 6.0), (1, -1), strict=True):
        clean, added = sign * (2 * total - 6), sign * (2 * (total + 2 * carried) - 6)
        assert outcome.clean_margin == pytest.approx(clean)
        # The attack may leave a graph as it is.
        assert outcome.attacked_margin == pytest.approx(min(clean, added))


def test_two_copies_of_one_training_are_refused():
    copies = [Counts(), Counts()]
    threat = ra.ThreatModel(budget=1, operations=("add",))
    with pytest.raises(InputError, match="same ones for the seeds 0 and 1: two seeds of one"):
        ra.evaluate(copies, graphs(2), threat=threat, attacks=["beam"], workers=1)
