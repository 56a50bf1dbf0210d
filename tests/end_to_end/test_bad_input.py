"""Bad input: one line that names the thing, exit code 2, no traceback, nothing already computed
lost.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from robust_augcl.results.records import SCHEMA
from robust_augcl.store import files as store_files


def refused(answer, *named: str) -> None:
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert line.startswith("error: ")
    for name in named:
        assert name in line
    assert not answer.out


@pytest.mark.parametrize(
    ("assignment", "named"),
    [
        ("training.epoch=3", ["'epoch'", "did you mean 'epochs'"]),
        ("trainig.epochs=3", ["'trainig'", "did you mean 'training'"]),
        ("attacks.gradargmax.directions='summed'", ["'gradargmax'", "did you mean 'grad_argmax'"]),
        ("methods=[{name='augcI'}]", ["method 'augcI'", "did you mean 'augcl'"]),
        ("attacks=[{name='rl_s2'}]", ["attack 'rl_s2'", "did you mean 'rl_s2v'"]),
        ("attacks=[{name='exhaustive', depth=3}]", ["'depth'"]),
        ("attacks=[{name='exhaustive'}, {name='exhaustive'}]", ["different labels"]),
        ("attacks=[]", ["`attacks`"]),
        ("encoder.name='gni'", ["encoder 'gni'", "did you mean 'gin'"]),
        ("encoder.layers=[]", ["`layers`"]),
        ("dataset.source='component'", ["data source 'component'", "did you mean 'components'"]),
        ("dataset.nodes=[3, 4]", ["`nodes`", "[3, 4]"]),
        ("threat.budget=-1", ["`budget`", "positive", "-1"]),
        ("threat.budget=0", ["`budget`", "positive", "0"]),
        ("threat.budget=1.5", ["`budget`", "1.5"]),
        ("threat.budget='one'", ["`budget", "'one'"]),
        ("threat.within_component=false", ["within_component", "class", "False"]),
        ("threat.operations=['add', 'delete']", ["operations", "class"]),
        ("threat.budget=99999999999999999999", ["`budget`", "99999999999999999999"]),
        ("attacks=[{name='rand_sampling', label='clean'}]", ["`label`", "'clean'"]),
        ("attacks=[{name='rand_sampling', label='exhaustive'}]", ["`label`", "'exhaustive'"]),
        ("attacks=[{name='rand_sampling', label='Clean '}]", ["`label`", "'Clean '"]),
        (
            "attacks=[{name='exhaustive', label='all'}, {name='beam', label='Exact worst case'}]",
            ["`label`", "'Exact worst case'"],
        ),
        (
            "methods=[{name='graphcl'}, {name='augcl', label='GraphCL'}]",
            ["[[methods]] augcl", "`label`", "'GraphCL'"],
        ),
        (
            "methods=[{name='graphcl'}, {name='graphcl', label='graphCL'}]",
            ["[[methods]]", "`label`", "'graphcl'", "'graphCL'"],
        ),
        ("training.learning_rate=inf", ["`learning_rate`", "inf"]),
        ("threat.budget=3", ["`budget`", "Exhaustive", "3"]),
        ("threat.operations=['ad']", ["`operations`", "'ad'"]),
        ("pretraining.temperature=0", ["`temperature`", "positive", "0"]),
        ("pretraining.temperature=-1.0", ["`temperature`", "positive", "-1.0"]),
        ("pretraining.augmentations=[{name='node_drop', ratio=2.0}]", ["`ratio`", "2.0"]),
        (
            "pretraining.augmentations=[{name='node_drop', ration=0.2}]",
            ["'ration'", "did you mean 'ratio'"],
        ),
        ("methods.augcl.reward=2.5", ["`reward`", "2.5"]),
        ("training.epochs='many'", ["`epochs`", "'many'"]),
        ("protocols=['strikt']", ["'strikt'", "did you mean 'strict'"]),
        ("split.test=1.0", ["`test`", "1.0"]),
        ("seeds=[0, 0]", ["`seeds`"]),
        ("scale=0", ["`scale`", "0"]),
        ("epochs", ["--set", "'epochs'"]),
    ],
)
def test_a_bad_setting(tiny, tmp_path, command, assignment, named):
    refused(command("run", tiny, "--out", tmp_path / "run", "--set", assignment), *named)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "qick"], ["suite 'qick'", "did you mean 'quick'"]),
        (["run", "nowhere.toml"], ["nowhere.toml"]),
        (["run", "x" * 300], ["xxx"]),
        (["run", "quick", "--seeds", "one"], ["--seeds", "'one'"]),
        (["run", "quick", "--workers", "0"], ["--workers", "0"]),
        (["run", "quick", "--device", "tpu"], ["--device", "tpu"]),
        (["run", "mutag", "--archives", "nowhere"], ["--archives", "nowhere"]),
        (["rum", "quick"], ["'rum'"]),
        (["show", "nowhere"], ["nowhere", "run.json"]),
        (["report", "nowhere"], ["nowhere", "run.json"]),
        (["replay", "nowhere"], ["nowhere", "run.json"]),
    ],
)
def test_a_bad_command(tmp_path, monkeypatch, command, arguments, named):
    monkeypatch.chdir(tmp_path)
    refused(command(*arguments), *named)


def test_seeds_that_are_none_are_refused_before_anything_is_imported():
    code = (
        "import sys; sys.argv = ['robust-augcl', 'run', 'quick', '--seeds', 'x']\n"
        "from robust_augcl.cli.main import main\n"
        "try:\n    main()\nfinally:\n    assert 'torch' not in sys.modules"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 2
    assert "--seeds" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_suite_that_is_no_toml(tmp_path, command):
    (tmp_path / "bad.toml").write_text("name = \n")
    refused(command("run", tmp_path / "bad.toml"), "bad.toml", "TOML")


def test_an_unreadable_archive(tmp_path, command):
    (tmp_path / "TUDataset").mkdir()
    archive = tmp_path / "TUDataset" / "MUTAG.zip"
    archive.write_bytes(b"not a zip")
    out = tmp_path / "run"
    arguments = ["run", "mutag", "--out", out, "--archives", tmp_path, "--workers", "1"]
    answer = command(*arguments)
    assert answer.code == 2
    assert str(archive) in answer.err
    assert "Traceback" not in answer.err
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("MUTAG/MUTAG_A.txt", "1, 2\n")
    answer = command(*arguments)
    assert answer.code == 2
    assert str(archive) in answer.err
    archive.unlink()
    (tmp_path / "TUDataset" / "MUTAGG.zip").write_bytes(b"")
    answer = command(*arguments)
    assert answer.code == 2
    assert "did you mean 'MUTAGG'" in answer.err


def test_a_folder_of_another_suite(tiny, copied, command):
    before = sorted(copied.rglob("*"))
    refused(
        command("run", tiny, "--out", copied, "--set", "name='other'"),
        str(copied),
        "'tiny'",
        "'other'",
    )
    assert sorted(copied.rglob("*")) == before


@pytest.mark.parametrize("schema", [1, SCHEMA + 1])
def test_a_folder_of_another_format_of_records_is_refused_in_one_line(
    tiny, copied, command, schema
):
    manifest = json.loads((copied / "run.json").read_text())
    (copied / "run.json").write_text(
        json.dumps({**manifest, "version": "0.0.1", "format": [schema]})
    )
    before = sorted(copied.rglob("*"))
    for arguments in (
        ["run", tiny, "--out", copied],
        *([name, copied] for name in ("show", "status", "replay", "report", "audit")),
    ):
        refused(command(*arguments), str(copied), "0.0.1", f"format {schema}")
    assert sorted(copied.rglob("*")) == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"version": 1}',
        json.dumps(
            {
                "version": "0.1.0",
                "format": [SCHEMA],
                "suite": "tiny",
                "table": {},
                "seeds": [0],
                "records": 5,
            }
        ),
        *(
            json.dumps({"version": "0.1.0", "format": [SCHEMA], "suite": "tiny", "table": table})
            for table in ("x", ["a"], 5, None)
        ),
    ],
)
def test_a_manifest_that_is_none(copied, command, text):
    (copied / "run.json").write_text(text)
    refused(command("show", copied), "run.json")


def test_an_out_that_is_a_file(tiny, tmp_path, command):
    (tmp_path / "file").write_text("")
    refused(command("run", tiny, "--out", tmp_path / "file"), "file")
    refused(command("run", tiny, "--out", tmp_path / "file" / "below"), "file")


@pytest.mark.thorough
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_full_disk_loses_nothing_and_the_run_goes_on_later(
    tiny, finished, tmp_path, command, monkeypatch, workers
):
    """A real file size limit stands for the full disk: it holds in worker processes too."""
    import resource
    import signal

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(path.stat().st_size for path in finished.glob("artifacts/victim-*"))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 1, limit[1]))
    try:
        answer = command("run", tiny, "--out", tmp_path, "--workers", workers)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert answer.code == 2
    assert "error: Cannot write" in answer.err
    assert "Traceback" not in answer.err
    assert not list(tmp_path.rglob(".writing-*"))
    assert command("run", tiny, "--out", tmp_path, "--workers", "1").code == 0
    assert command("replay", tmp_path).code == 0


def test_a_disk_that_fills_up_midway_keeps_what_was_computed(tiny, tmp_path, command, monkeypatch):
    replace, out = os.replace, tmp_path / "out"

    def results() -> dict[Path, int]:
        found = [*out.glob("artifacts/[!.]*"), *out.glob("records/[!.]*")]
        return {path: path.stat().st_mtime_ns for path in found}

    def full(source, target):
        if len(results()) == 11:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(store_files.os, "replace", full)
    answer = command("run", tiny, "--out", out, "--workers", "1")
    assert answer.code == 2
    assert "No space left on device" in answer.err
    kept = results()
    assert len(kept) == 11
    monkeypatch.setattr(store_files.os, "replace", replace)
    assert command("run", tiny, "--out", out, "--workers", "1").code == 0
    assert kept.items() <= results().items()
