"""The scripts of examples/ run as a user would run them, and print and write what they say.

`test_tutorial.py` runs own_model.py, on which most of the tutorial rests.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from as_a_user import (
    EXAMPLES,
    TUTORIAL,
    YOUR_DATA,
    assert_shown,
    blocks,
    called,
    folder_of_examples,
)
from real_archives import needs_archives, real_archives

import robust_augcl as ra
from robust_augcl import registry, sources


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return folder_of_examples(tmp_path_factory)


def robust(records, attack):
    return {
        (r.cell.method, r.cell.seed): r.robust_accuracy for r in records if r.cell.attack == attack
    }


def test_scripts_are_short():
    names = sorted(path.name for path in EXAMPLES.glob("*.py"))
    assert names == ["own_data.py", "own_model.py", "own_weighting.py"]
    for name in names:
        assert len((EXAMPLES / name).read_text().splitlines()) <= 70, name


@needs_archives
def test_a_model_of_ones_own_takes_molecules_where_there_are_archives():
    source = EXAMPLES / "own_model.py"
    script = sources.import_file(source, source.read_bytes())
    graphs = registry.load("data source", "tu")("MUTAG", fraction=0.1)
    data = graphs.load(real_archives(), torch.Generator().manual_seed(0))[0]
    batch = torch.zeros(data.num_nodes, dtype=torch.long)
    assert script.for_molecules()(data.x, data.edge_index, batch).shape == (1, 2)


def test_a_weighting_of_ones_own_runs_at_a_small_size(folder, tmp_path, command, nothing_known):
    text = (folder / "own_weighting.toml").read_text()
    small = folder / "small.toml"
    small.write_text(
        text.replace("seeds = [0, 1]", "seeds = [0]")
        .replace("graphs_per_class = 60", "graphs_per_class = 10")
        .replace("epochs = 3", "epochs = 1")
        .replace("epochs = 20", "epochs = 1")
        .replace('arithmetic = "fast"', 'arithmetic = "portable"')
        .replace('[[attacks]]\nname = "grad_argmax"\n', "")
    )
    answer = command("run", small, "--out", tmp_path / "run", "--workers", "1", "--quiet")
    assert answer.code == 0, answer.err
    records = ra.open_run(tmp_path / "run").records
    assert {r.method_name for r in records} == {"GraphCL", "AUGCL", "near"}
    assert len({r.victim.digest for r in records}) == 3  # the weighting does something


@pytest.mark.thorough
def test_a_weighting_of_ones_own(folder):
    text = called(folder, "python own_weighting.py")
    records = ra.open_run(folder / "runs" / "own_weighting").records
    worst = robust(records, "exhaustive")
    assert {method for method, _ in worst} == {"graphcl", "augcl", "near"}
    assert {seed for _, seed in worst} == {0, 1}
    assert all(r.is_exact for r in records if r.cell.attack == "exhaustive")
    assert text.count("Exact worst case, budget 1, ") == 3
    victims = {r.cell.method: r.victim.digest for r in records if r.cell.seed == 0}
    assert len(set(victims.values())) == 3  # the weighting does something


def test_data_of_ones_own(folder):
    (_, command), (_, shown), *_ = blocks(TUTORIAL[TUTORIAL.index(YOUR_DATA) :])
    text = called(folder, command.strip())
    assert_shown(shown, text)
    lines = [json.loads(line) for line in (folder / "teams.jsonl").read_text().splitlines()]
    assert len(lines) == 200
    assert all(line["y"] == (sum(x[0] for x in line["x"]) > 4) for line in lines)
    assert "Exact worst case, budget 1, GraphCL" in text
    (record, _) = ra.open_run(folder / "runs" / "teams").records
    assert record.cell.dataset == "teams"
    assert (folder / "runs" / "teams" / "report.md").exists()
