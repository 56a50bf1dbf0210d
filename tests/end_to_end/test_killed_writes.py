"""Runs that are killed while they write: nothing half-written is read, and the end is the same."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import finish
from small_suites import ONE_ATTACK
from time_limits import HANGS

from robust_augcl.results.findings import Audit

DRAWS = True  # the runs that are killed draw too
HARNESS = Path(__file__).parent / "killed_runs.py"


def outcomes(folder):
    """The lines of all records but their headers, which hold seconds."""
    return {path.name: path.read_text().splitlines()[1:] for path in folder.glob("records/*.jsonl")}


def findings(folder):
    return Audit.loads((folder / "audit.json").read_text(), "audit.json").findings


def page(folder):
    """The report without what tells seconds: costs, and the stamp of the records."""
    text = (folder / "report.md").read_text()
    return re.sub(r"### What it took.*?\n#|<!-- of .* -->", "", text, flags=re.S)


EVERY_KIND: list[str] = []


@pytest.mark.parametrize(
    "named",
    [
        pytest.param(["attack-*.jsonl", "report.md"], id="a record and the report"),
        pytest.param(EVERY_KIND, id="every kind", marks=pytest.mark.thorough),
    ],
)
def test_kills_at_every_point_of_writing_a_file_change_nothing(tmp_path, command, named):
    suite, out = tmp_path / "suite.toml", tmp_path / "out"
    suite.write_text(
        ONE_ATTACK.replace("{attack}", "grad_argmax").replace(
            "[[methods]]", "[certificates]\n[[methods]]"
        )
    )
    environment = {**os.environ, "PYTHONPATH": str(HARNESS.parents[1] / "helpers")}
    answer = subprocess.run(
        [sys.executable, str(HARNESS), str(suite), str(out), "writes", *named],
        capture_output=True,
        text=True,
        timeout=HANGS,
        env=environment,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr  # it reads every file after each kill
    told = json.loads(answer.stdout.splitlines()[-1])
    kills = told["kills"]
    kinds = {kill["file"] for kill in kills}
    known = {"attack-*.jsonl", "certificate-*.safetensors", "audit.json", "report.md"}
    assert kinds == set(named) if named else known <= kinds
    assert len(kills) == 3 * len(kinds)
    assert [len(kill["stopped"]) for kill in kills] == [1] * len(kills)
    for earlier, kill in itertools.pairwise(kills):
        assert set(earlier["whole"]) <= set(kill["whole"])  # a kill costs no result
        stored = {name.partition(".")[0] for name in earlier["whole"]}
        assert not stored & set(kill["began"])  # and what is stored never begins again
    for kill in kills:
        assert (kill["stopped"][0] in kill["whole"]) == (kill["point"] == "renamed"), kill
    assert kills[-1]["half"] == 2 * len(kinds)
    assert (told["code"], told["began"]) == (0, [])

    at_the_top = sum("-*." not in kind for kind in kinds)
    reference = finish(suite, tmp_path / "reference", "--workers", "1", "--quiet")
    assert outcomes(out) == outcomes(reference)
    assert findings(out) == findings(reference)
    assert page(out) == page(reference)
    assert command("clean", out).out.count("removed .writing-") == 2 * at_the_top
    assert not list(out.rglob(".writing-*"))
    assert command("replay", out).code == 0
    assert command("audit", out).out
