"""What `run scaling` measures, at sizes that take no time."""

from __future__ import annotations

import json
import time

import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from robust_augcl.campaign import cluster_stability, measuring, scaling
from robust_augcl.campaign.measuring import measured
from robust_augcl.campaign.scaling import Sizes, drawn
from robust_augcl.cli.options import RunOptions
from robust_augcl.cli.scaling import run_scaling
from robust_augcl.errors import InputError

SMALL = Sizes(counts=(24, 48), batches=(8, 16), nodes=((15, 20),))


@pytest.fixture(autouse=True)
def _once(monkeypatch):
    """Work is run once, however short it is."""
    monkeypatch.setattr(measuring, "_ENOUGH", 0.0)


def test_seconds_and_memory_are_those_of_the_work():
    def spin():
        end = time.process_time() + 0.4
        while time.process_time() < end:
            pass

    seconds, mebibytes = measured(spin)
    assert 0.35 < seconds < 4  # in milliseconds it would be hundreds
    assert mebibytes < 100  # of the hundreds that the process holds
    _, large = measured(lambda: torch.ones(64, 2**20).sum())
    assert 128 < large < 400  # of 256: a busy system may take pages away meanwhile


def test_memory_that_was_freed_before_is_counted():
    freed = [bytearray(b"1") * 100_000 for _ in range(2_000)]
    kept = bytearray(b"1") * 100_000  # behind them, so that their memory stays with this process
    del freed
    _, mebibytes = measured(lambda: [bytearray(b"1") * 100_000 for _ in range(1_500)])
    assert kept
    assert mebibytes > 70  # of 143: a busy system may take pages away meanwhile


def test_work_that_fails_is_told():
    with pytest.raises(InputError, match="it raised ZeroDivisionError: division by zero"):
        measured(lambda: 1 / 0)


@pytest.mark.thorough(only=["True"])
@pytest.mark.parametrize("really", [False, True])
def test_all_parts_are_measured_at_all_sizes(monkeypatch, really):
    if not really:  # here and below that is the quick way
        monkeypatch.setattr(scaling, "measured", lambda work: (0.5, 1.0))
    found = scaling.points(SMALL, lambda done, text: None)
    seen = {(point.what, point.over, point.size) for point in found}
    for size in (24.0, 48.0):
        for what in ("pretraining, an epoch", "partition", "uncertainty, a pass", "grad_argmax"):
            assert (what, "graphs", size) in seen
    assert ("weights", "graphs in a batch", 16.0) in seen
    for attack in ("exhaustive", "rl_s2v", "beam", "prbcd", "genetic", "rand_sampling"):
        assert (attack, "nodes a graph", 17.5) in seen
    assert all(point.seconds > 0 for point in found)


def test_what_is_too_slow_is_not_tried_on_more(monkeypatch):
    monkeypatch.setattr(scaling, "measured", lambda work: (30.0, 1.0))
    found = scaling.points(SMALL, lambda done, text: None)
    assert {point.size for point in found if point.over == "graphs"} == {24.0}


def test_clusters_that_are_known(monkeypatch):
    """Two groups of views far apart: clear clusters, the same under both views."""
    y = torch.tensor([0, 0, 0, 1, 1, 1])
    same = y.unsqueeze(1) == y.unsqueeze(0)
    similarity = torch.where(same, 0.9, -0.9) + 0.01 * torch.rand(
        6, 6, generator=torch.Generator().manual_seed(0)
    )
    labels = same.long()
    rows = list(cluster_stability.of_batch(similarity, labels, labels, same))
    assert len(rows) == 6
    assert all(s > 0.9 and c == 1 and v == 1 for s, c, v in rows)
    other = labels[:, [3, 1, 2, 0, 4, 5]]
    rows = list(cluster_stability.of_batch(similarity, labels, other, same))
    without = [0, 1, 2, 4, 5]
    expected = adjusted_rand_score(labels[3, without], other[3, without])
    assert rows[3][2] == pytest.approx(expected)


def test_files_are_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Sizes, "scaled", lambda self, factor: SMALL)
    monkeypatch.setattr(scaling, "measured", lambda work: (0.5, 1.0))
    monkeypatch.setattr(cluster_stability, "_COMPONENTS", ((15, 20),))
    monkeypatch.setattr(cluster_stability, "_EPOCHS", 1)
    run_scaling(RunOptions("scaling", out=tmp_path / "out", overrides=("scale=0.1",)))
    content = json.loads((tmp_path / "out" / "scaling.json").read_text())
    assert len(content["points"]) > 20
    assert content["clusters"][0]["data"] == "components 15-20"
    text = (tmp_path / "out" / "scaling.md").read_text()
    assert text in capsys.readouterr().out
    assert (tmp_path / "out" / "scaling.png").read_bytes().startswith(b"\x89PNG")


def test_sizes_are_scaled():
    small = Sizes().scaled(0.1)
    assert small.counts == (500, 1_000, 2_000)
    assert small.nodes[-1] == (190, 200)
    assert Sizes().scaled(1.0) == Sizes()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"overrides": ("scale=2",)}, "above 0 and at most 1"),
        ({"overrides": ("training.epochs=3",)}, "no other settings"),
        ({"seeds": "0,1"}, "no --seeds"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, text):
    with pytest.raises(InputError, match=text):
        run_scaling(RunOptions("scaling", **options))


def test_large_graphs_have_the_classes_of_their_components():
    graphs = drawn(6, (490, 500))
    assert graphs.num_components.tolist() == (graphs.y + 1).tolist()
    assert int(graphs.sizes.min()) >= 480
