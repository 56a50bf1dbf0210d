"""Runs with other people's attacks: results of different code are never taken for one another."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import finish
from foreign_attacks import attack_source, forget_foreign
from time_limits import HANGS

from robust_augcl import foreign
from robust_augcl.cli.main import main
from robust_augcl.errors import InputError
from robust_augcl.store.run_folder import RunFolder

pytestmark = pytest.mark.end_to_end


def run(suite: Path, out: Path) -> list[list[list[int]]]:
    """Run a suite as a new process would; return the edits of each graph."""
    forget_foreign()
    finish(suite, out, "--workers", "1")
    return edits(out)


def edits(out: Path) -> list[list[list[int]]]:
    folder = RunFolder(out)
    (record,) = folder.load_records(folder.existing_manifest().records).records
    return [outcome.added for outcome in record.outcomes]


def files(out: Path) -> dict[str, int]:
    return {
        path.name: path.stat().st_mtime_ns
        for path in [*out.glob("artifacts/*"), *out.glob("records/*.jsonl")]
    }


def test_two_distributions_with_an_attack_of_one_name_share_no_result(install, suite, tmp_path):
    suites = []
    for package, which in (("acme_first", "first"), ("acme_last", "last")):
        install(package.replace("_", "-"), "1", package, {"attacks": attack_source(which)})
        suites.append(suite(f"{package}.attacks:Flip", package))
    out = tmp_path / "out"
    first = run(suites[0], out)
    before = files(out)
    last = run(suites[1], out)
    assert all(one != two for one, two in zip(first, last, strict=True))
    after = files(out)
    assert {name: after[name] for name in before} == before
    (new,) = set(after) - set(before)  # the data set and the victim are shared
    assert new.startswith("attack-")
    assert run(suites[0], out) == first
    assert files(out) == after  # nothing had to be computed
    assert record_of(out).made_by["attack"]["distribution"] == "acme-first"


def record_of(out: Path):
    folder = RunFolder(out)
    return folder.load_records(folder.existing_manifest().records).records[0]


def test_an_edited_file_is_computed_again(suite, tmp_path, capsys):
    path = tmp_path / "flip.py"
    path.write_text(attack_source("first"))
    file, out = suite("flip.py:Flip"), tmp_path / "out"
    first, before = run(file, out), files(out)
    assert "sha256" in str(RunFolder(out).existing_manifest().revisions["attack flip.py:Flip"])
    path.write_text(attack_source("last"))
    capsys.readouterr()
    last = run(file, out)
    assert "attack flip.py:Flip (no distribution, sha256 " in capsys.readouterr().err
    assert all(one != two for one, two in zip(first, last, strict=True))
    assert len(set(files(out)) - set(before)) == 1
    source = record_of(out).made_by["attack"]["source"]
    path.write_text(attack_source("first"))
    assert run(file, out) == first
    assert record_of(out).made_by["attack"]["source"] != source


def test_a_folder_chooses_no_code_that_runs_here(suite, tmp_path):
    path = tmp_path / "flip.py"
    path.write_text(attack_source("first"))
    out, marker = tmp_path / "out", tmp_path / "flip.imported"
    run(suite("flip.py:Flip"), out)
    assert marker.exists()
    marker.unlink()
    manifest = json.loads((out / "run.json").read_text())
    manifest["table"]["attacks"][0]["name"] = f"{path.rename(tmp_path / 'evil.py')}:Flip"
    (out / "run.json").write_text(json.dumps(manifest))
    forget_foreign()
    folder = RunFolder(out)
    with pytest.raises(InputError, match=r"pass --plugin .*evil\.py:Flip"):
        folder.plan(folder.existing_manifest())
    assert not list(tmp_path.glob("*.imported"))
    foreign.consent([f"{tmp_path / 'evil.py'}:Flip"])
    assert folder.plan(folder.existing_manifest()).attacks
    assert (tmp_path / "evil.imported").exists()


@pytest.mark.thorough
def test_workers_load_the_plug_in_too(suite, tmp_path):
    (tmp_path / "flip.py").write_text(attack_source("first"))
    one = run(suite("flip.py:Flip"), tmp_path / "one")
    command = [sys.executable, "-m", "robust_augcl", "run", str(suite("flip.py:Flip"))]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "two"), "--workers", "2", "--seeds", "0"],
        capture_output=True,
        text=True,
        timeout=HANGS,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert edits(tmp_path / "two") == one
    # Its side effect shows in how many processes it ran: this one, the other run, its worker.
    assert len((tmp_path / "flip.imported").read_text().split()) >= 3


@pytest.mark.thorough(but=["transfer"])
@pytest.mark.parametrize("name", ["report", "audit", "transfer", "replay"])
def test_a_command_on_a_folder_needs_consent_by_name(suite, tmp_path, capsys, name):
    path = tmp_path / "flip.py"
    path.write_text(attack_source("first"))
    out = tmp_path / "out"
    run(suite("flip.py:Flip"), out)
    forget_foreign()
    capsys.readouterr()
    # A report is made of what is stored.
    assert called(name, str(out)) == (0 if name == "report" else 2)
    assert "pass --plugin PATH/flip.py:Flip" in capsys.readouterr().err
    # Whether the audit of such an attack fails is another matter.
    assert called(name, str(out), "--plugin", f"{path}:Flip") in (
        (0, 1) if name == "audit" else (0,)
    )
    assert "consent" not in capsys.readouterr().err


def called(*arguments: str) -> int:
    """The exit code of a command in this process."""
    argv, sys.argv = sys.argv, ["robust-augcl", *arguments]
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = argv
    return 0
