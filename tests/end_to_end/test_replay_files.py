"""A file of results: one of its models is computed again from nothing, and compared."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from command_line import call

from robust_augcl.results import strict
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.target_bits import packed
from robust_augcl.steps import compute as steps


@pytest.fixture(scope="module")
def text(one_victim, tmp_path_factory):
    """The file of a finished run of one victim, as text."""
    path = tmp_path_factory.mktemp("file") / "held.json"
    assert call("baseline", one_victim, "-o", path).code == 0
    return path.read_text()


@pytest.fixture
def file(text, tmp_path):
    path = tmp_path / "held.json"
    path.write_text(text)
    return path


@pytest.fixture
def replayed(command, file):
    def call(*options):
        return command("replay", "--from-scratch", file, "--workers", "1", *options)

    return call


def write(path, content):
    """Write a file of results whose checksum is right, whatever it says."""
    content.pop("digest", None)
    path.write_text(json.dumps({**content, "digest": strict.seal(content)}))


def other(held: Baseline, text: str, place: int) -> str:
    bits = list(held.bits(0, text))
    bits[place] = not bits[place]
    return packed(bits)


def differing(answer):
    """What differs, by what it is about."""
    lines = [line for line in answer.out.splitlines() if line.startswith("DIFFERS")]
    return dict(line.removeprefix("DIFFERS  ").split(": ", 1) for line in lines)


def test_an_honest_file_is_the_same_from_scratch(replayed, command, tmp_path):
    out = tmp_path / "again"
    answer = replayed("--seed", "0", "--layers", "2", "--method", "augcl", "--out", out)
    assert answer.code == 0, answer.err
    first, *lines, last, machine = answer.out.splitlines()
    assert "augcl, structure2vec, 2 layers, components" in first
    assert lines[0] == "With it: exhaustive (1 edit), certificate (1 edit)."
    assert lines[1] == "Of its 2 records in the file 1 are not computed."
    assert [line[:9] for line in lines[2:]] == ["same     "] * 14
    assert "14 of 14 comparisons of this model are the same from scratch, in " in last
    assert "same bits are to be expected" in machine
    assert len(list((out / "records").iterdir())) == 1
    assert command("replay", out).code == 0  # a run's folder like any other
    assert "to be a new or an empty folder" in replayed("--out", out).err


def test_whatever_is_forged_is_named(file, replayed):
    held = Baseline.load(file)
    (record,) = (k for k, each in enumerate(held.attacked) if each.claims_exact)
    victim, attack, worst = held.victims[0], held.attacked[record], held.worst[0]
    attacked = list(held.attacked)
    attacked[record] = replace(attack, exact=other(held, attack.exact, 1))
    forged = replace(
        held,
        victims=[replace(victim, clean=other(held, victim.clean, 2), weights="0" * 64)],
        attacked=attacked,
        worst=[replace(worst, proved=other(held, worst.proved, 3))],
        revisions={**held.revisions, "victim steps": 1},
    )
    file.write_text(forged.dumps())
    answer = replayed()
    assert answer.code == 1
    assert "4 of 14 differ from scratch" in answer.err
    graphs = [graph for graph, _ in held.data[0].targets]
    found = differing(answer)
    assert list(found) == [
        "model",  # its weights, and then its predictions
        "exhaustive, 1 edit",
        "worst case, 1 edit",
    ]
    assert f"digest of its weights: {'0' * 64} in the file, {victim.weights} here" in answer.out
    for what, place in (
        ("clean predictions", 2),
        ("which targets are exact", 1),
        ("which targets are proved", 3),
    ):
        assert (
            f"{what}: 1 of {len(graphs)} targets, the first is graph {graphs[place]}: "
            in answer.out
        )
    before, _, _ = answer.out.partition("same  ")
    assert "The code was revised since: victim steps (1, now " in before


def test_a_setting_that_is_another_one_gives_another_model(file, replayed):
    content = json.loads(file.read_text())
    content["table"]["training"]["epochs"] += 1
    write(file, content)
    answer = replayed()
    assert answer.code == 1
    assert "DIFFERS  model: address: victim-" in answer.out
    assert "DIFFERS  model: digest of its weights" in answer.out
    assert "DIFFERS  exhaustive, 1 edit: address: attack-" in answer.out
    assert "same     data set: address" in answer.out


def test_a_model_that_cannot_be_made_is_no_traceback(replayed, monkeypatch):
    compute = steps.compute

    def fail(step, context):
        if step.kind == "victim":
            raise RuntimeError("the planted fault")
        compute(step, context)

    monkeypatch.setattr(steps, "compute", fail)
    answer = replayed()
    assert answer.code == 1
    assert "FAILED  augcl, 2 layers, seed 0" in answer.out
    assert "the model could not be computed again" in answer.err


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--seed", "5"], "Expected --seed to be 0, as "),
        (["--seed", "-1"], "Expected --seed to be a whole number of at least 0, got '-1'"),
        (["--seed", "x"], "Expected --seed to be a whole number of at least 0, got 'x'"),
        (["--layers", "3"], "Expected --layers to be 2, as "),
        (["--layers", "0"], "Expected --layers to be a whole number of at least 1, got '0'"),
        (["--method", "none"], "Expected --method to be augcl, as "),
        (["--protocol", "paper"], "Expected --protocol to be strict, as "),
        (["--report", "x"], "Expected --report with a run's folder alone, got the file "),
        (["--model", "x:y"], "Expected --model with a run's folder alone, got the file "),
    ],
)
def test_options_that_do_not_fit_the_file(replayed, options, words):
    answer = replayed(*options)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert words in answer.err


def test_a_file_is_for_from_scratch_alone(file, command):
    answer = command("replay", file)
    assert answer.code == 2
    assert "Expected --from-scratch with the file" in answer.err


@pytest.mark.parametrize(
    "option", [["--seed", "0"], ["--layers", "2"], ["--method", "x"], ["--all-budgets"]]
)
def test_options_of_files_are_refused_with_a_folder(one_victim, file, command, option):
    answer = command("replay", one_victim, "--from-scratch", *option)
    assert answer.code == 2
    assert f"Expected {option[0]} with a file of `robust-augcl baseline` alone" in answer.err
    answer = command("replay", file, *option)
    assert answer.code == 2
    assert f"Expected {option[0]} with --from-scratch alone, got it without" in answer.err


def test_what_is_no_file_of_results(file, replayed, text):
    file.write_text("{}")
    assert "held.json: expected a baseline as JSON" in replayed().err
    file.write_text(text.replace('"suite":"forged"', '"suite":"forget"'))
    assert "the baseline was altered, or another version wrote it" in replayed().err
    content = json.loads(text)
    write(file, {**content, "table": None})
    assert "Expected the table of a suite, got none" in replayed().err
    file.unlink()
    answer = replayed()
    assert (answer.code, "which is not there: `robust-augcl baseline DIR" in answer.err) == (
        2,
        True,
    )
