"""What replay proves of graphs that came from an archive, with the archive and without it.

The split and the digests can be proved without it; classes and graphs only by reading it again.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from command_line import compute, finish
from forged_inputs import Forger
from tu_archives import some_graphs, tables_of, write_archive

from robust_augcl.store.artifact import Artifact

SUITE = """
name = "archived"
[dataset]
source = "tu"
name = "CHORDS"
[split]
test = 0.2
validation = 0.2
[encoder]
name = "gin"
width = 4
layers = [2]
[training]
epochs = 2
batch_size = 8
[[methods]]
name = "none"
[[attacks]]
name = "rand_sampling"
"""
AFTER_DATA = ("victim",)


def written(folder, labels=None):
    """An archive of 60 graphs; by default the class is whether there is a chord."""
    classes = [int(k % 3 > 0) for k in range(60)]
    write_archive(folder, "CHORDS", tables_of(some_graphs(), labels or classes))
    return folder


@pytest.fixture(scope="module")
def archived(tmp_path_factory):
    """A finished run, its suite and its archives. Not to be changed."""
    at = tmp_path_factory.mktemp("archived")
    suite, archives = at / "archived.toml", written(at / "archives")
    suite.write_text(SUITE)
    finish(suite, at / "run", "--archives", str(archives), "--workers", "1", "--quiet")
    return at


@pytest.fixture
def forged(archived, tmp_path):
    """A copy of the run, to be forged: what is missing is computed from what is there."""
    path = shutil.copytree(archived / "run", tmp_path / "copy")
    suite, archives = archived / "archived.toml", archived / "archives"
    return Forger(path, lambda: compute(suite, path, 0, archives))


def of_data(answer, what):
    """The line of an answer that is about the data set."""
    (line,) = [line for line in answer.out.splitlines() if line.startswith(f"{what}  dataset-")]
    return line


def flipped(made: Artifact) -> Artifact:
    """The first graph for test and the first for training of another class change classes."""
    y, test, train = (made.tensors[name] for name in ("y", "test", "train"))
    other = train[(y[train] != y[test[0]]).nonzero()[0, 0]]
    changed = y.clone()
    changed[test[0]], changed[other] = y[other], y[test[0]]
    return replace(made, tensors={**made.tensors, "y": changed})


def all_flipped(made: Artifact) -> Artifact:
    """Every class becomes the other one."""
    return replace(made, tensors={**made.tensors, "y": 1 - made.tensors["y"]})


def edgeless(made: Artifact) -> Artifact:
    """The edges of the first graph are gone."""
    edges, second = made.tensors["edge_index"], int(made.tensors["ptr"][1])
    return replace(
        made, tensors={**made.tensors, "edge_index": edges[:, edges[0] >= second].contiguous()}
    )


def other_features(made: Artifact) -> Artifact:
    """The features of the first node are those of another label."""
    x = made.tensors["x"].clone()
    x[0] = x[0].roll(1)
    return replace(made, tensors={**made.tensors, "x": x})


FORGERIES = {
    "flipped": (flipped, "y"),
    "all flipped": (all_flipped, "y"),
    "edgeless": (edgeless, "edge_index"),
    "features": (other_features, "x"),
}


def test_an_honest_run_is_read_again_with_the_archive_and_on_trust_without(archived, command):
    there = command("replay", archived / "run", "--archives", archived / "archives")
    assert there.code == 0, there.out
    assert "split again, made again from their source" in there.out
    assert "made again  data set: x, edge_index, ptr, y" in there.out
    without = command("replay", archived / "run")
    assert without.code == 0, without.out
    assert "split again; graphs on trust: no --archives to read them from" in without.out
    assert "made again  data set: x" not in without.out


@pytest.mark.thorough(but=["flipped", "features"])
@pytest.mark.parametrize("name", FORGERIES)
def test_forged_graphs_are_noticed_with_the_archive(forged, archived, command, name):
    change, tensor = FORGERIES[name]
    forged.change_artifact(forged.artifact("dataset"), change)
    forged.compute_after(*AFTER_DATA)  # all that rests on it agrees with it
    there = command("replay", forged.folder, "--archives", archived / "archives")
    assert there.code == 1
    assert f"computed again it has other {tensor}" in of_data(there, "FAILED")
    without = command("replay", forged.folder)
    if tensor == "y":  # the split goes by class, so it tells too
        assert "split again it has other" in of_data(without, "FAILED")
    else:
        assert "graphs on trust: no --archives to read them from" in without.out


def test_another_archive_of_that_name_is_told(archived, tmp_path, command):
    changed = [int(k % 3 > 1) for k in range(60)]
    other = written(tmp_path / "other", changed)
    answer = command("replay", archived / "run", "--archives", other)
    assert answer.code == 1
    assert "the file here is another one than that of the run" in of_data(answer, "FAILED")


def test_labels_are_those_of_the_archive(archived):
    """What was stored is what plain loops say."""
    (path,) = (archived / "run").glob("artifacts/dataset-*")
    y = Artifact.read(path).tensors["y"]
    assert torch.equal(y, torch.tensor([int(k % 3 > 0) for k in range(60)]))


def test_a_model_of_a_file_is_computed_again_with_the_archive_alone(archived, command, tmp_path):
    file = tmp_path / "held.json"
    assert command("baseline", archived / "run", "-o", file).code == 0
    again = "replay", "--from-scratch", file, "--workers", "1"
    without = command(*again)
    assert (without.code, "Expected --archives (or ROBUST_AUGCL" in without.err) == (2, True)
    there = command(*again, "--archives", archived / "archives")
    assert there.code == 0, there.out
    assert "same     data set: digest of its graphs" in there.out
    others = written(tmp_path / "others", labels=[int(k % 2 > 0) for k in range(60)])
    elsewhere = command(*again, "--archives", others)
    assert elsewhere.code == 1
    assert "DIFFERS  data: the archive here is another file than that of" in elsewhere.out
