"""A given model that only a function of the user's can call: evaluated, replayed, refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from given_models import SOURCE, graphs

import robust_augcl as ra
from robust_augcl import foreign
from robust_augcl.campaign.campaign import Campaign, Machines
from robust_augcl.errors import InputError
from robust_augcl.models import given
from robust_augcl.models.adapter import Adapter
from robust_augcl.models.given_source import name_of
from robust_augcl.plan.suite import load_suite, make_suite

pytestmark = pytest.mark.usefixtures("nothing_known")


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """A user's file of models, and of what calls one of them."""
    path = tmp_path_factory.mktemp("user") / "models.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A file of graphs."""
    path = tmp_path_factory.mktemp("graphs") / "graphs.jsonl"
    ra.write_graphs(path, graphs(4))
    return path


def asked(models: Path, data: Path, *others: object) -> list[object]:
    """`evaluate` of a file of graphs."""
    asked = ["evaluate", "--model", f"odd={models}:odd", "--data", data, "--budget", "1"]
    return [*asked, "--attack", "rand_sampling", "--no-certificates", "--workers", "1", *others]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Where the run of the command line lies."""
    return tmp_path_factory.mktemp("odd") / "run"


@pytest.fixture
def folder(models, written, command, finished) -> Path:
    """A run of the command line, which is made once. Tests leave it as it was."""
    path = finished
    if path.exists():
        return path
    answer = command(*asked(models, written, "--adapter", f"{models}:call", "--out", path))
    assert answer.code == 0, answer
    given.forget()
    foreign.withdraw()
    return path


def test_a_folder_replays_with_the_function_that_calls_its_model(folder, models, written, command):
    assert f'"function": "{models.name}:call"' in (folder / "run.json").read_text()
    named = ["--model", f"{models}:odd", "--adapter", f"{models}:call"]
    archives = ["--archives", written.parent]
    answer = command("replay", folder, *named, *archives, "--from-scratch", "--workers", "1")
    assert answer.code == 0, answer
    assert "All 1 record hold" in answer.out, answer.out
    assert "on trust  record: attacked" not in answer.out
    assert "3 of 3 stored results are the same from scratch" in answer.out


def test_without_the_function_nothing_predicts(folder, models, written, command):
    answer = command("replay", folder, "--archives", written.parent)
    assert answer.code == 0
    assert "hold, but for predictions: no --model names the module" in answer.out
    lacking = command("replay", folder, "--archives", written.parent, "--model", f"{models}:odd")
    assert lacking.code == 2
    assert "Expected --adapter odd=package.module:function beside --model" in lacking.err
    assert "models.py:call" in lacking.err


def test_another_function_is_told(folder, models, written, command, tmp_path):
    answer = command(
        "replay",
        folder,
        "--archives",
        written.parent,
        "--model",
        f"{models}:odd",
        "--adapter",
        f"{models}:other",
    )
    assert answer.code == 1
    assert "the function that --adapter names is another one" in answer.out
    edited = tmp_path / "models.py"
    edited.write_text(SOURCE.replace("(data.x, data", "(data.x + 0, data"))
    answer = command(
        "replay",
        folder,
        "--archives",
        written.parent,
        "--model",
        f"{models}:odd",
        "--adapter",
        f"{edited}:call",
    )
    assert answer.code == 1
    assert "the function that --adapter names is another one, or of other source" in answer.out


def test_in_python_a_folder_is_told_the_function_too(folder, models, tmp_path):
    folder = Path(shutil.copytree(folder, tmp_path / "run"))
    (folder / "audit.json").unlink()
    with pytest.raises(given.ModelMissing, match="--model LABEL=package"):
        ra.open_run(folder).audit()
    ra.use_model(f"{models}:odd", "odd")
    with pytest.raises(given.ModelMissing, match="--adapter LABEL=package"):
        ra.open_run(folder).audit()
    ra.use_model(f"{models}:odd", "odd", function=f"{models}:call")
    ra.open_run(folder).audit()
    assert (folder / "audit.json").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--adapter", "{models}:call", "--adapter", "{models}:other"], "Expected one --adapter"),
        (["--adapter", "x={models}:call"], "Unknown label of --adapter 'x'"),
        (["--adapter", "{models}:no"], "a function that takes a module and a Batch"),
        (["--adapter", "call"], "Expected a plug-in to be named like"),
        ([], "The given model 'odd': "),
    ],
)
def test_bad_adapters_of_evaluate_are_one_line(models, written, command, tmp_path, options, words):
    options = [option.format(models=models) for option in options]
    answer = command(*asked(models, written, *options, "--out", tmp_path / "x"))
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert words in answer.err
    assert not (tmp_path / "x").exists()


def test_bad_adapters_of_a_folder_are_one_line(folder, models, command):
    for options, words in [
        (["--adapter", f"{models}:call"], "Expected --model with --adapter"),
        (
            ["--model", f"{models}:odd", "--adapter", f"x={models}:call"],
            "Unknown label of --adapter 'x'",
        ),
    ]:
        answer = command("replay", folder, *options)
        assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
        assert words in answer.err


def test_a_suite_names_the_function_and_the_folder_alone_imports_none(models, written, tmp_path):
    suite = tmp_path / "mine.toml"
    suite.write_text(
        f"""
name = "mine"
seeds = [0]
dataset = {{source = "file", path = "{written}"}}
split = {{test = 1.0, validation = 0.0}}
threat = {{budget = 1, operations = ["add", "delete"]}}
attacks = [{{name = "rand_sampling"}}]
victims = [{{label = "odd", model = "{models}:odd", adapter = {{function = "{models}:call"}}}}]
"""
    )
    campaign = Campaign(load_suite(str(suite)), tmp_path / "run", Machines(workers=1), str)
    assert (
        campaign.suite.victims[0].known.copies[0].found["adapter"]["function"] == "models.py:call"
    )
    foreign.withdraw()
    again = make_suite(load_table(campaign), "mine")  # as a folder's table is read
    with pytest.raises(InputError, match="Expected your consent"):
        Campaign(again, tmp_path / "other", Machines(workers=1), str)


def load_table(campaign):
    """The table of its suite, before it was resolved."""
    (entry,) = campaign.suite.table["victims"]
    return {**campaign.suite.table, "victims": [{**entry, "resolved": None, "weights": []}]}


def test_a_function_is_known_by_its_source_whatever_its_file_is_called(models, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "models.py").write_text(SOURCE + "\n\nLATER = 1\n")
    settings = []
    for path in (models, folder / "models.py"):
        foreign.withdraw()
        foreign.consent([f"{path}:call"])
        function = foreign.load_function(f"{path}:call", "")
        settings.append(Adapter(function=function).settings)
        assert name_of(function) == "models.py:call"
    assert settings[0] == settings[1]
