"""`claims DIR`: what a finished run says of published claims, and what the command refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from robust_augcl.plan.claims_file import published_claims

OWN = """
[[claims]]
name = "own"
source = "a paper"
where = "table 1"
read = "source read"
protocol = "ours"
how = "maximum"
evaluation = "under attack"
run_as = "strict"
value = 0.08
left = "augcl"
right = "graphcl"
budget = 1
attacks = ["rand_sampling", "rl_s2v"]
datasets = ["components"]
layers = [2]
"""


def test_every_published_claim_is_said_something_of(command, finished: Path) -> None:
    answer = command("claims", finished)
    assert answer.code == 0
    for claim in published_claims():
        assert claim.name in answer.out
    assert max(map(len, answer.out.splitlines())) <= 80
    block = answer.out.split("\n\n")[0]
    heads = [line.split()[0] for line in block.splitlines() if line[2:3].strip()]
    assert heads[0] == "augcl-robust-up-to-8:"
    assert heads[1:] == [
        "why", "source", "protocol", "claimed", "reproduced", "exact", "bracket",
    ]  # fmt: skip
    assert "the paper protocol; this run used the strict protocol" in " ".join(block.split())


def test_claims_of_a_file_of_ones_own_as_json(command, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    answer = command("claims", finished, "--format", "json", "--claims", tmp_path / "own.toml")
    assert answer.code == 0
    (row,) = json.loads(answer.out)
    assert row["claim"]["name"] == "own"
    assert [cell["name"] for cell in row["reproduced"]] == [
        "components 15-20, 2 layers, RandSampling",
        "components 15-20, 2 layers, RL-S2V",
    ]
    assert {cell["n_seeds"] for cell in row["reproduced"]} == {2}
    # Five epochs bring no victim to rest.
    assert (row["verdict"], "victims not at rest" in row["why"]) == ("no verdict", True)
    assert [cell["dataset"] for cell in row["exact"]] == ["components 15-20"]


def test_the_report_shows_the_same_rows(finished: Path) -> None:
    page = (finished / "report-appendix.md").read_text()
    section = page.split("## Published claims")[1].split("\n## ")[0]
    assert "| augcl-robust-up-to-8 (second hand) |" in section
    assert (
        f"This run tests none of the {len(published_claims())} published claims, including"
        in section
    )
    assert "graphcl-mutag" not in section


def test_claims_write_nothing(command, finished: Path) -> None:
    def state() -> dict[Path, tuple[int, int]]:
        return {
            path: (path.stat().st_mtime_ns, path.stat().st_size) for path in finished.rglob("*")
        }

    before = state()
    assert command("claims", finished).code == 0
    assert state() == before


def refused(answer) -> str:
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert line.startswith("error: ")
    return line


def test_a_folder_that_is_no_run_is_refused(command, tmp_path: Path) -> None:
    assert "Expected the folder of a run" in refused(command("claims", tmp_path))
    assert "no such" in refused(command("claims", tmp_path / "no such"))
    (tmp_path / "run.json").write_text("{}")
    assert "run.json" in refused(command("claims", tmp_path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OWN.replace("0.08", "8"), "[[claims]] 1: Expected `value` to be a share of at most 1"),
        (OWN.replace("maximum", "maximun"), "'maximum'"),
        (OWN + OWN, "each `name` once, got 'own' twice"),
        ("", "`claims` to be an array of tables"),
        ("[[claims", "Expected a TOML file"),
        (b"\xff\xfe", "no text in UTF-8"),
        ("# " + "x" * 2**18, "larger than"),
    ],
)
def test_a_bad_file_of_claims_is_refused_in_one_line(
    command, finished: Path, tmp_path: Path, text, words: str
) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    line = refused(command("claims", finished, "--claims", file))
    assert words in line
    assert "bad.toml" in line


def test_what_is_no_file_of_claims_is_refused(command, finished: Path, tmp_path: Path) -> None:
    missing = refused(command("claims", finished, "--claims", tmp_path / "none.toml"))
    assert "none.toml" in missing
    assert "no regular file" in refused(command("claims", finished, "--claims", tmp_path))
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in refused(command("claims", finished, "--claims", tmp_path / "pipe"))
    assert "Expected --claims to be a file, got ''" in refused(
        command("claims", finished, "--claims", "")
    )
    assert "'text' or 'json'" in refused(command("claims", finished, "--format", "xml"))


def test_a_bad_file_is_refused_before_the_folder_is_read(command, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("claims = 1")
    line = refused(command("claims", tmp_path / "no run", "--claims", tmp_path / "bad.toml"))
    assert "bad.toml" in line


def own_row(command, folder: Path, at: Path) -> dict:
    """What is said of the claim `OWN`."""
    (at / "own.toml").write_text(OWN)
    answer = command("claims", folder, "--format", "json", "--claims", at / "own.toml")
    assert answer.code == 0
    (row,) = json.loads(answer.out)
    return row


def test_seeds_that_were_not_planned_are_said(command, copied: Path, tmp_path: Path) -> None:
    assert "planned" not in own_row(command, copied, tmp_path)["why"]
    manifest = json.loads((copied / "run.json").read_text())
    assert manifest["planned_seeds"] == 2
    manifest |= {"planned_seeds": 30, "planned_names": list(range(30))}
    (copied / "run.json").write_text(json.dumps(manifest))
    assert "2 seeds, 30 were planned" in own_row(command, copied, tmp_path)["why"]


def test_two_runs_are_held_beside_a_claim_together(command, copied: Path, finished: Path, tmp_path):
    """Each cell says of which run it is, and a folder that is named twice is refused."""
    (tmp_path / "own.toml").write_text(OWN)
    own = ("--claims", tmp_path / "own.toml")
    answer = command("claims", finished, copied, "--format", "json", *own)
    assert answer.code == 0
    (row,) = json.loads(answer.out)
    (alone,) = json.loads(command("claims", finished, "--format", "json", *own).out)
    names = [cell["name"] for cell in alone["reproduced"]]
    assert [cell["name"] for cell in row["reproduced"]] == [
        f"{name}, {folder}" for folder in (finished, copied) for name in names
    ]
    # Twice as many cells stand in the family.
    together, before = (each["reproduced"][0] for each in (row, alone))
    assert together["mean"] == before["mean"]
    assert together["high"] - together["low"] > before["high"] - before["low"]
    assert row["missing"] == alone["missing"]
    text = command("claims", finished, copied)
    assert text.code == 0
    assert "These 2 runs test none of the" in text.out
    assert max(map(len, text.out.splitlines())) <= 80 + max(len(str(finished)), len(str(copied)))
    twice = refused(command("claims", finished, copied, finished, *own))
    assert "Expected each folder once" in twice
    assert "Expected the folder of a run" in refused(command("claims", finished, tmp_path))
