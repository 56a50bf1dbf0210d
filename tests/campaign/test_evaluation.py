"""Models and graphs of a user: evaluated in memory, kept in a folder, used again or made anew."""

from __future__ import annotations

import dataclasses
import inspect
import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from given_models import HEADER, Counts, graphs, net, worst_of
from torch import nn

import robust_augcl as ra
from robust_augcl import registry, sources
from robust_augcl.cli.main import cli
from robust_augcl.errors import InputError
from robust_augcl.models import given
from robust_augcl.workers import processes
from robust_augcl.workers.this_process import ThisProcess

ONE = ra.ThreatModel(budget=1, operations=("add", "delete"))


def run(models, attacks=("rand_sampling", "exhaustive"), **others):
    defaults = {"threat": ONE, "workers": 1, "device": "cpu", "certificates": False}
    others = {**defaults, **others}
    data = others.pop("data", None) or graphs()
    return ra.evaluate(models, data, attacks=attacks, **others)


ATTACKS = {"chance": "rand_sampling", "rl": "rl_s2v", "prbcd": "prbcd", "all": "exhaustive"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """A run of two models. Tests leave it as it was."""
    given.forget()
    path = tmp_path_factory.mktemp("evaluated") / "run"
    run({"counts": Counts(), "gin": net().eval()}, ATTACKS, out=path, certificates=True)
    return path


@pytest.fixture(scope="module")
def counted(tmp_path_factory) -> Path:
    """A run of one model and one attack. Tests leave it as it was."""
    given.forget()
    path = tmp_path_factory.mktemp("counted") / "run"
    run(Counts(), ["rand_sampling"], out=path)
    return path


def stored(path: Path, kind: str) -> set[str]:
    return {
        file.name for file in path.rglob(f"{kind}-*") if file.suffix in (".jsonl", ".safetensors")
    }


def test_the_worst_case_is_that_of_trying_every_edit(kept):
    result = ra.open_run(kept)
    for label, module in (("counts", Counts()), ("gin", net().eval())):
        (record,) = [r for r in result.records if (r.cell.method, r.cell.attack) == (label, "all")]
        assert record.is_exact
        assert [o.robust for o in record.outcomes] == worst_of(module, graphs())
        assert (record.cell.encoder, record.cell.layers) == ("given", 0)
        assert set(record.made_by) == {"attack", "model", "data source"}


def test_what_is_left_out_is_said_everywhere(kept):
    path = kept
    result = ra.open_run(path)
    there = {(record.cell.method, record.cell.attack) for record in result.records}
    assert ("counts", "prbcd") not in there
    assert ("gin", "prbcd") in there
    (victim, _) = json.loads((path / "run.json").read_text())["table"]["victims"]
    assert set(victim["resolved"]["left_out"]) == {"rl", "prbcd"}
    page = (path / "report-appendix.md").read_text()
    short, html = ((path / name).read_text() for name in ("report.md", "report.html"))
    for text in (str(result), short.replace("\\", ""), html):
        assert "PRBCD is left out for counts: it follows gradients of edge weights, but" in text
        assert "rl is left out for gin: it learns on graphs beside those that are attacked" in text
    assert "0 layers" not in page
    assert "Pretraining" not in page
    assert "Exact worst case, budget 1, gin: " in str(result)


def test_rows_and_frame_are_tidy(kept):
    pandas = pytest.importorskip("pandas")
    result = ra.open_run(kept)
    frame = result.frame()
    assert len(frame) == sum(record.num_graphs for record in result.records) == len(result.rows())
    assert {name: str(kind) for name, kind in frame.dtypes.items()} | {"node": "Int64"} == {
        **dict.fromkeys(("suite", "dataset", "model", "attack", "protocol", "setting"), "string"),
        "class_stays": "string",
        **dict.fromkeys(("layers", "node"), "Int64"),
        **dict.fromkeys(
            ("seed", "graph", "label", "clean", "attacked", "num_added", "num_removed"), "int64"
        ),
        **dict.fromkeys(("budget", "clean_margin", "attacked_margin"), "float64"),
        **dict.fromkeys(
            (*("budget_is_share", "clean_right", "attacked_right", "robust", "broken", "exact"),),
            "bool",
        ),
        "certified": "boolean",
        "at_rest": "boolean",
        "added": "object",
        "removed": "object",
    }
    gin = frame[(frame.model == "gin") & (frame.attack == "all")]
    assert gin.robust.tolist() == gin.certified.tolist() == worst_of(net().eval(), graphs())
    assert isinstance(frame, pandas.DataFrame)


@pytest.mark.parametrize("ending", ["pdf", "png", "svg"])
def test_the_figure_is_one_column_wide(kept, tmp_path, ending):
    figure = ra.open_run(kept).figure(tmp_path / f"fig.{ending}")
    assert figure.get_size_inches()[0] == pytest.approx(3.35)
    assert (tmp_path / f"fig.{ending}").stat().st_size > 1_000
    with pytest.raises(InputError, match=r"to end in \.pdf, \.png or \.svg, got"):
        ra.open_run(kept).figure(tmp_path / "fig.jpg")


def test_a_folder_without_an_audit_says_so(counted, tmp_path):
    out = Path(shutil.copytree(counted, tmp_path / "run"))
    assert "not audited" not in str(ra.open_run(out))
    (out / "audit.json").unlink()
    assert "Audit: not audited" in str(ra.open_run(out)).splitlines()
    answer = CliRunner().invoke(cli, ["show", str(out)])
    assert answer.exit_code == 0
    assert "Audit: not audited (robust-augcl audit" in answer.stdout


# --- what is used again ---------------------------------------------------------------------------


def test_equal_models_and_graphs_are_not_computed_again(kept, tmp_path):
    out = Path(shutil.copytree(kept, tmp_path / "run"))
    before = {path: path.stat().st_mtime_ns for path in (out / "artifacts").rglob("*")}
    again = {"counts": Counts(), "gin": net().eval()}
    run(again, ATTACKS, out=out, certificates=True)
    assert before == {path: path.stat().st_mtime_ns for path in (out / "artifacts").rglob("*")}
    assert stored(out, "attack") == stored(kept, "attack")
    assert (out / "audit.json").stat().st_mtime_ns == (kept / "audit.json").stat().st_mtime_ns


def counts_of_file(folder: Path, edit: str) -> nn.Module:
    """The same model out of a copy of its file, with other words in it."""
    folder.mkdir()
    path = folder / "given_models.py"
    path.write_text(f"{HEADER}\n\n{inspect.getsource(Counts)}{edit}")
    return sources.import_file(path, path.read_bytes()).Counts()


@pytest.mark.thorough(but=["weights-*", "source-*"])
@pytest.mark.parametrize(
    ("change", "is_other"),
    [
        ("weights", True),
        ("settings", True),
        ("graphs", True),
        ("source", True),
        ("file", False),
    ],
)
def test_what_is_changed_is_computed_anew(counted, tmp_path, change, is_other):
    out = Path(shutil.copytree(counted, tmp_path / "run"))
    models = {
        "weights": Counts(),
        "settings": Counts(7.0),
        "graphs": Counts(),
        "source": counts_of_file(tmp_path / "edited", "    # edited\n"),
        "file": counts_of_file(tmp_path / "same", "\n\nprint\n"),
    }
    with torch.no_grad():
        models["weights"].scale.mul_(2)
    data = graphs(seed=1 if change == "graphs" else 0)
    before = stored(counted, "attack")
    run({"Counts": models[change]}, ["rand_sampling"], out=out, data=data)
    assert (not stored(out, "attack") <= before) == is_other
    keys = {record.key for record in ra.open_run(out).records}
    assert keys.isdisjoint(record.key for record in ra.open_run(counted).records) == is_other


def test_trained_copies_are_one_a_seed():
    result = run({"gin": [net(0), net(1)]}, ["rand_sampling"])
    assert [record.cell.seed for record in result.records] == [0, 1]
    assert len({record.victim.digest for record in result.records}) == 2
    with pytest.raises(InputError, match="one for each of the 3 seeds, got 2"):
        run({"gin": [net(0), net(1)]}, seeds=[0, 1, 2])
    with pytest.raises(InputError, match="differ in their weights alone"):
        run({"gin": [net(0), net(1, width=4)]})


def test_attacks_that_learn_get_graphs_to_learn_on():
    attack = registry.load("attack", "rl_s2v")(steps=8, burn_in=2, width=4)
    result = run(Counts(), {"rl": attack}, fit=graphs(5, seed=3))
    (record,) = result.records
    assert record.num_graphs == 8
    assert record.attacker is not None
    assert record.attack_settings["steps"] == 8


# --- where and how --------------------------------------------------------------------------------


def test_without_forks_the_results_are_the_same(kept, monkeypatch):
    monkeypatch.setattr(processes, "can_fork", lambda device: False)
    monkeypatch.setattr("robust_augcl.campaign.campaign.can_fork", lambda device: False)
    asked = []
    monkeypatch.setattr(
        ThisProcess,
        "submit",
        lambda self, task, do=ThisProcess.submit: asked.append(task) or do(self, task),
    )
    here = run({"gin": net().eval()}, {"chance": "rand_sampling", "all": "exhaustive"})
    assert asked
    forked = {record.cell: record for record in ra.open_run(kept).records}
    assert [r.cell.attack for r in here.records] == ["chance", "all"]
    for record in here.records:
        cell = dataclasses.replace(record.cell, suite=next(iter(forked)).suite)
        assert record.outcomes == forked[cell].outcomes


def test_a_temporary_folder_goes_with_its_result():
    result = run(Counts(), ["rand_sampling"])
    folder = result.folder
    assert folder.is_dir()
    del result
    assert not folder.exists()


def test_the_model_stays_as_it_is():
    module = net().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    run(module, ["rand_sampling"])
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


class Broken(nn.Module):
    def forward(self, x, edge_index, batch):
        return torch.full((int(batch.max()) + 1, 2), float("nan"))


@pytest.mark.parametrize(
    ("models", "others", "words"),
    [
        ({}, {}, "`models` to hold at least one module"),
        ("gin", {}, "Expected `models` to be a torch.nn.Module"),
        (Broken(), {}, "The given model 'Broken': "),
        (Counts(), {"attacks": ["bea"]}, "Unknown attack 'bea', did you mean 'beam'"),
        (Counts(), {"attacks": ["prbcd"]}, "all are left out: prbcd: "),
        (Counts(), {"threat": 1}, "Expected `threat` to be a ThreatModel, got int"),
        (Counts(), {"fit": 0.2}, "Expected `fit` to be graphs"),
        (Counts(), {"labels": 0.2}, "Unknown argument of evaluate 'labels'"),
        (Counts(), {"adapter": {"x": ra.Adapter()}}, "Expected `adapter` to name models"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(models, others, words):
    with pytest.raises(InputError) as refused:
        run(models, **others)
    assert words in str(refused.value)


def test_graphs_without_labels_are_refused():
    bare = graphs()
    for data in bare:
        del data.y
    with pytest.raises(InputError, match="graphs with labels `y`, got 8 without"):
        run(Counts(), data=bare)
