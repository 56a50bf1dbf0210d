"""The program of five lines on a GIN trained on MUTAG, and given models by the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from given_models import SOURCE
from real_archives import needs_archives, real_archives
from torch import nn
from torch_geometric.loader import DataLoader

import robust_augcl as ra
from robust_augcl import foreign, registry
from robust_augcl.models import given

pytestmark = [needs_archives, pytest.mark.usefixtures("nothing_known")]


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """A user's file of models."""
    path = tmp_path_factory.mktemp("user") / "models.py"
    path.write_text(SOURCE)
    return path


def load(path: Path) -> nn.Module:
    """The module for MUTAG, as the file makes it."""
    foreign.consent([f"{path}:mutag"])
    return foreign.load_function(f"{path}:mutag", "that returns a module")()


@pytest.fixture(scope="module")
def trained(models: Path) -> Path:
    """Weights of a GIN after a short training on MUTAG, in a file of safetensors."""
    module, file = load(models), models.with_name("gin.safetensors")
    source = registry.load("data source", "tu")("MUTAG")
    data = source.admitted(real_archives(), torch.Generator()).graphs.to_data_list()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(4):
            for batch in DataLoader(data, batch_size=32, shuffle=True):
                optimizer.zero_grad()
                out = module(batch.x, batch.edge_index, batch.batch)
                nn.functional.cross_entropy(out, batch.y).backward()
                optimizer.step()
    safetensors.torch.save_file(module.state_dict(), file)
    return file


@pytest.fixture(scope="module")
def folder(models: Path, trained: Path, tmp_path_factory) -> Path:
    """The folder that the program of five lines leaves."""
    path = tmp_path_factory.mktemp("five") / "mine"
    model = load(models)
    model.load_state_dict(safetensors.torch.load_file(trained))
    source = registry.load("data source", "tu")("MUTAG", fraction=0.1)
    graphs = source.admitted(real_archives(), torch.Generator()).graphs.to_data_list()

    threat = ra.ThreatModel(budget=1, operations=("add", "delete"))
    attacks = ("grad_argmax", "prbcd", "beam", "exhaustive")
    result = ra.evaluate(model, graphs, threat=threat, attacks=attacks, out=path, workers=2)
    assert "Exact worst case, budget 1, Net: " in str(result)
    result.figure(path / "fig.pdf")
    assert {record.cell.attack for record in result.records} == set(attacks)
    assert result.report_input.audit is not None
    return path


def test_the_folder_replays_and_audits(folder, models, command):
    answer = command("replay", folder, "--model", f"{models}:mutag")
    assert answer.code == 0, answer
    assert "All 4 records and 1 certificate hold.\n" in answer.out
    assert "by their digest" in answer.out
    audited = command("audit", folder, "--model", f"Net={models}:mutag")
    assert "the victim is deterministic" in audited.out
    assert audited.code in (0, 1)
    shown = command("show", folder)
    assert shown.code == 0
    assert "layers" not in shown.out


@pytest.mark.thorough
def test_the_folder_is_computed_from_scratch(folder, models, command):
    """Graphs and weights come from the folder, the module from its function."""
    answer = command(
        "replay", folder, "--model", f"{models}:mutag", "--from-scratch", "--workers", "1"
    )
    assert answer.code == 0, answer
    assert "7 of 7 stored results are the same from scratch." in answer.out


EARLIER = (
    "The audit and the transfers are from an earlier run, as the folder held them: the code of a "
    "given model or of a plug-in was not there to make them again for this page."
)


def without(words, page):
    """The lines of a page that do not say this."""
    return [line for line in page.splitlines() if line and words not in line]


def test_a_page_that_was_made_without_the_module_says_so_and_replays(
    folder, models, command, tmp_path
):
    copied = tmp_path / "copied"
    shutil.copytree(folder, copied)
    first = (copied / "report.md").read_text()
    assert EARLIER not in first
    assert command("report", copied).code == 0
    for name in ("report.md", "report-appendix.md", "report.html"):
        assert (copied / name).read_text().count(EARLIER) == 1
    for named in ([], ["--model", f"Net={models}:mutag"]):
        replayed = command("replay", copied, *named)
        assert (replayed.code, replayed.err.count("report.md")) == (0, 0), replayed
    shown = command("show", copied)
    assert (shown.code, shown.err.count("report.md")) == (0, 0)
    assert command("report", copied, "--model", f"Net={models}:mutag").code == 0
    assert (copied / "report.md").read_text() == first


def test_without_consent_predictions_are_on_trust(folder, command, tmp_path):
    answer = command("replay", folder)
    assert answer.code == 0, answer
    assert "hold, but for predictions: no --model names the module" in answer.out
    (line,) = [each for each in answer.out.splitlines() if "record: clean, clean_margin" in each]
    assert line.startswith("on trust  ")
    assert "(0 of 4 predicted again, margins within a tolerance; 4 on trust" in line
    assert "edits hold  attack-" in answer.out
    reported = command("report", folder, "--out", tmp_path / "report")
    assert reported.code == 0
    assert "the audit and the transfers are those of the folder" in reported.err
    page = (tmp_path / "report" / "report.md").read_text()
    assert page.count(EARLIER) == 1
    assert without(EARLIER, page) == without(EARLIER, (folder / "report.md").read_text())
    refused = command("audit", folder)
    assert refused.code == 2
    assert "pass --model LABEL=package.module:function" in refused.err


def test_a_module_of_another_source_is_told(folder, models, command, tmp_path):
    other = tmp_path / "models.py"
    other.write_text(SOURCE.replace("num_layers=2)", "num_layers=2)  # edited"))
    answer = command("replay", folder, "--model", f"Net={other}:mutag")
    assert answer.code == 1
    assert "the source of the module that --model names is another one" in answer.out
    assert "1 of 1 given model do not hold" in answer.err
    wrong = command("replay", folder, "--model", f"Net={models}:wide")
    assert wrong.code == 1
    unknown = command("replay", folder, "--model", f"gin={models}:mutag")
    assert (unknown.code, "Unknown given model in" in unknown.err) == (2, True)


def test_the_command_line_does_the_same(models, trained, command, tmp_path):
    out = tmp_path / "mine"
    called = ["evaluate", "--model", f"gin={models}:mutag", "--weights", trained, "--data", "MUTAG"]
    called += ["--budget", "1", "--attack", "rand_sampling", "--attack", "worst_case"]
    called += ["--fit", "0.8", "--out", out, "--workers", "1", "--no-certificates"]
    called += ["--archives", real_archives()]
    answer = command(*called)
    assert answer.code == 0, answer
    assert "Worst case, budget 1, gin: at most " in answer.out
    assert str(models.parent) not in (out / "run.json").read_text().replace(str(models), "")
    given.forget()
    again = command(*called)
    assert again.code == 0
    assert "attack: " not in again.err
    assert command("replay", out, "--model", f"{models}:mutag").code == 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["--model", "gin={models}:none"], "to return a torch.nn.Module, got str"),
        (["--model", "gin={models}:wide"], "Expected weights of gin like those of its module"),
        (["--weights", "x={weights}"], "Unknown label of --weights 'x'"),
        (["--weights", "{models}"], "Cannot read the weights"),
        (["--budget", "0"], "Expected --budget to be a number of edits"),
        (["--fit", "1"], "Expected --fit to be a share between 0 and 1"),
        (["--data", "MUTA"], "MUTA"),
    ],
)
def test_bad_input_is_one_line(models, trained, command, tmp_path, changed, words):
    settings = {
        "--model": f"gin={models}:mutag",
        "--weights": str(trained),
        "--data": "MUTAG",
        "--budget": "1",
        "--attack": "rand_sampling",
    }
    option, value = changed
    settings[option] = value.format(models=models, weights=trained)
    named = [part for pair in settings.items() for part in pair]
    answer = command("evaluate", *named, "--archives", real_archives(), "--out", tmp_path / "x")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("\n") == 1
    assert words in answer.err
    assert not (tmp_path / "x").exists()
