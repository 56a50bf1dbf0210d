"""`gate` and `baseline` as a user calls them: exit codes, forms, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import call

from robust_augcl.errors import MOST_IN_LINE
from robust_augcl.gate import self_test
from robust_augcl.gate.self_test import Truth, made_up
from robust_augcl.results.baseline import Baseline


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    """Results, by what they are beside the baseline."""
    base = made_up(range(8), Truth())
    few = Truth(spread=0.05)
    held = {
        "base": base,
        "same": base,
        "worse": made_up(range(8), Truth(robust=0.45), "again"),
        "better": made_up(range(8), Truth(robust=0.75), "again"),
        "bug": self_test.flipped_certificate(base),
        "audit": self_test.failed_audit(base),
        "threat": self_test.another_threat(base),
        "few": made_up(range(2), few),
        "few again": made_up(range(2), few, "again"),
        "one": made_up([0], Truth(), targets=500),
        "one worse": made_up([0], Truth(robust=0.4), "again", targets=500),
    }
    for name, each in held.items():
        (tmp_path / f"{name}.json").write_text(each.dumps())
    return {name: tmp_path / f"{name}.json" for name in held}


@pytest.mark.parametrize(
    ("new", "base", "code"),
    [
        ("same", "base", 0),
        ("better", "base", 0),
        ("worse", "base", 1),
        ("bug", "base", 1),
        ("audit", "base", 1),
        ("threat", "base", 3),
        ("few again", "few", 4),
        ("one worse", "one", 4),
    ],
)
def test_each_outcome_has_its_exit_code(files, new, base, code):
    for form in ("text", "markdown", "junit", "github", "json"):
        answer = call("gate", files[new], "--baseline", files[base], "--format", form)
        assert answer.code == code
        assert answer.out
        assert len(answer.err.splitlines()) == (code > 0)
        assert len(answer.err) <= MOST_IN_LINE + 1


def test_a_missing_baseline_is_3_and_says_how_it_is_made(files, tmp_path):
    answer = call("gate", files["same"], "--baseline", tmp_path / "none.json")
    assert answer.code == 3
    assert "robust-augcl baseline DIR -o FILE" in answer.err
    assert not answer.out


def test_bad_input_is_2(files, tmp_path):
    (tmp_path / "bad.json").write_text("{}")
    base = files["base"]
    for arguments, word in (
        ([], "Expected NEW, got nothing"),
        ([base], "Expected --baseline, got nothing"),
        ([tmp_path / "none.json", "--baseline", base], "which is not there"),
        ([tmp_path / "bad.json", "--baseline", base], "expected a baseline"),
        ([base, "--baseline", tmp_path / "bad.json"], "expected a baseline"),
        ([tmp_path, "--baseline", base], "Expected the folder of a run"),
        ([base, "--baseline", base, "--tolerance", "2"], "share above 0 and below 1"),
        ([base, "--baseline", base, "--tolerance", "0.0"], "share above 0 and below 1"),
        ([base, "--baseline", base, "--method", "none"], "one of ['method']"),
        ([base, "--self-test"], "Expected --self-test alone"),
        ([base, "--baseline", base, "--format", "xml"], "'text', 'markdown'"),
    ):
        answer = call("gate", *arguments)
        assert (answer.code, word in answer.err) == (2, True), answer
        assert len(answer.err.splitlines()) == 1


def test_the_tolerance_and_one_model_change_what_is_said(files):
    base = "--baseline", files["base"]
    assert call("gate", files["worse"], *base, "--tolerance", "0.4").code == 0
    one = "gate", files["one worse"], "--baseline", files["one"]
    assert call(*one, "--one-model").code == 1


def test_forms_are_what_they_say(files):
    pair = "gate", files["worse"], "--baseline", files["base"], "--format"
    assert json.loads(call(*pair, "json").out)["exit_code"] == 1
    assert ElementTree.fromstring(call(*pair, "junit").out).tag == "testsuites"
    assert call(*pair, "github").out.startswith("::error title=")
    assert call(*pair, "markdown").out.startswith("**Robustness gate: regressed.**")


def test_the_baseline_is_never_changed(files):
    before = files["base"].read_bytes()
    call("gate", files["better"], "--baseline", files["base"])
    assert files["base"].read_bytes() == before


def test_the_self_test_passes_and_can_fail(monkeypatch):
    answer = call("gate", "--self-test")
    assert answer.code == 0
    assert answer.out.count("correct:  ") == len(self_test.trials())
    for plant in ("weakened model", "broken attack", "flipped certificate", "failed audit"):
        assert plant in answer.out
    # A gate that sees no difference is found out.
    monkeypatch.setattr(self_test, "decide", lambda base, new: real(base, base))
    real = __import__("robust_augcl.gate.decision", fromlist=["decide"]).decide
    blind = call("gate", "--self-test")
    assert blind.code == 1
    assert blind.out.count("WRONG:  ") == len(
        [trial for trial in self_test.trials() if trial.expected != "holds"]
    )


def test_a_file_of_another_version_is_refused(files, tmp_path):
    text = files["base"].read_text().replace('"version":2', '"version":3')
    (tmp_path / "later.json").write_text(text)
    answer = call("gate", files["base"], "--baseline", tmp_path / "later.json")
    assert (answer.code, "another version" in answer.err) == (2, True)


def test_a_suite_s_margin_is_the_tolerance(files, tmp_path):
    held = Baseline.load(files["base"])
    (tmp_path / "wide.json").write_text(replace(held, margin=0.4).dumps())
    assert call("gate", files["worse"], "--baseline", tmp_path / "wide.json").code == 0


@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_a_margin_that_no_suite_states_is_refused_and_not_replaced(files, tmp_path, margin):
    held = Baseline.load(files["base"])
    (tmp_path / "odd.json").write_text(replace(held, margin=margin).dumps())
    answer = call("gate", files["base"], "--baseline", tmp_path / "odd.json")
    assert answer.code == 2
    assert "a margin above 0 and below 1" in " ".join(answer.err.split())
