"""Tensors of another form than their kind's, checksums right: refused in one line, at once, before
anything is built of them.
"""

from __future__ import annotations

from itertools import product

import pytest
import torch
from time_limits import at_most

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.steps.artifacts import dataset_of, load_pretrained, new_encoder, victim_of
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.store import Store


def artifact_of(run, kind):
    store = Store(run)
    return store.load(next(store.artifacts.glob(f"{kind}-*")).stem)


def refused(artifact, read, match):
    with at_most(3), pytest.raises(ArtifactDamaged, match=match) as raised:
        read(artifact)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 320


def put(tensor, place, value):
    changed = tensor.clone()
    changed.view(-1)[place] = value
    return changed


SPOILT_DATA = {
    "whole features": lambda t: {"x": t["x"].long()},
    "a feature that is no number": lambda t: {"x": put(t["x"], 3, float("nan"))},
    "an infinite feature": lambda t: {"x": put(t["x"], 0, float("-inf"))},
    "features in a row": lambda t: {"x": t["x"].view(-1)},
    "a node too few": lambda t: {"x": t["x"][:-1]},
    "an edge to a node that is not there": lambda t: {
        "edge_index": put(t["edge_index"], -1, t["x"].size(0))
    },
    "a negative node": lambda t: {"edge_index": put(t["edge_index"], 0, -1)},
    "half edges": lambda t: {"edge_index": t["edge_index"].float()},
    "three ends": lambda t: {"edge_index": torch.cat([t["edge_index"], t["edge_index"][:1]])},
    "an edge twice": lambda t: {
        "edge_index": torch.cat([t["edge_index"][:, :1], t["edge_index"]], 1)
    },
    "an edge one way": lambda t: {"edge_index": t["edge_index"][:, 1:]},
    "edges in another order": lambda t: {"edge_index": t["edge_index"].flip(1)},
    "an edge between graphs": lambda t: {
        "edge_index": torch.tensor([[0, t["x"].size(0) - 1], [t["x"].size(0) - 1, 0]]).int()
    },
    "a self-loop": lambda t: {"edge_index": torch.tensor([[0], [0]]).int()},
    "offsets that descend": lambda t: {"ptr": put(t["ptr"], 1, t["ptr"][-1] + 1)},
    "offsets that end early": lambda t: {"ptr": t["ptr"][:-1]},
    "offsets that begin late": lambda t: {"ptr": put(t["ptr"], 0, 1)},
    "no offsets": lambda t: {"ptr": t["ptr"][:0]},
    "half offsets": lambda t: {"ptr": t["ptr"].double()},
    "a class that is not there": lambda t: {"y": put(t["y"], 0, 3)},
    "a negative class": lambda t: {"y": put(t["y"], 0, -1)},
    "classes as true or false": lambda t: {"y": t["y"].bool()},
    "a class too few": lambda t: {"y": t["y"][1:]},
    "a test graph that is not there": lambda t: {"test": put(t["test"], 0, 10**6)},
    "a test graph twice": lambda t: {"test": put(t["test"], 0, t["test"][1])},
    "a test graph among those for training": lambda t: {"train": put(t["train"], 0, t["test"][0])},
    "a split in two rows": lambda t: {"validation": t["validation"].view(1, -1)},
    "an unknown tensor": lambda t: {"z": t["y"]},
    "targets without classes": lambda t: {"target.graph": t["test"]},
    "targets in no graph": lambda t: {
        "target.graph": t["test"] + 10**6,
        "target.y": torch.zeros_like(t["test"]),
    },
    "target nodes in no graph": lambda t: {
        "target.graph": t["test"],
        "target.y": torch.zeros_like(t["test"]),
        "target.node": t["test"] + 10**6,
    },
}


def test_a_data_set_is_read(everything):
    dataset_of(artifact_of(everything, "dataset"))


@pytest.mark.parametrize("spoil", SPOILT_DATA)
def test_data_sets(everything, spoil):
    data = artifact_of(everything, "dataset")
    tensors = {**data.tensors, **SPOILT_DATA[spoil](data.tensors)}
    refused(Artifact(tensors, data.info, data.about), dataset_of, "stored data set's")


@pytest.mark.parametrize("name", ["x", "edge_index", "ptr", "y", "train", "validation", "test"])
def test_data_sets_without_a_tensor(everything, name):
    data = artifact_of(everything, "dataset")
    tensors = {other: tensor for other, tensor in data.tensors.items() if other != name}
    refused(Artifact(tensors, data.info, data.about), dataset_of, "stored data set's")


@pytest.mark.parametrize("count", [10**9, 0, True, 3.0, None, 2**70])
def test_a_number_of_classes_that_no_data_set_has(everything, count):
    data = artifact_of(everything, "dataset")
    info = {**data.info, "num_classes": count}
    refused(Artifact(data.tensors, info, data.about), dataset_of, "num_classes")


SIZES = ["width", "layers", "in_features", "num_classes", "head_hidden"]
NO_SIZES = [10**7, 10**9, 2**70, 0, -1, 2.0, True, None]
# Structure2vec may have 1,000 layers: its rounds share weights.
SPOILT_SIZES = [*product(SIZES, NO_SIZES), *((name, 1000) for name in SIZES if name != "layers")]


@pytest.mark.parametrize(("name", "size"), SPOILT_SIZES)
def test_sizes_that_a_victim_claims(everything, name, size):
    victim = artifact_of(everything, "victim")
    info = {**victim.info, name: size}
    refused(Artifact(victim.tensors, info, victim.about), victim_of, "stored (victim|weights)")


FIRST = "model.encoder.conv.weight"
SPOILT_WEIGHTS = {
    "a weight that is no number": lambda t: {FIRST: put(t[FIRST], 5, float("nan"))},
    "an infinite weight": lambda t: {FIRST: put(t[FIRST], 5, float("inf"))},
    "a wide layer": lambda t: {FIRST: torch.zeros(4000, 4000)},
    "a flat layer": lambda t: {FIRST: t[FIRST].view(-1)},
    "weights of more digits": lambda t: {FIRST: t[FIRST].double()},
    "whole weights": lambda t: {FIRST: t[FIRST].long()},
    "an unknown layer": lambda t: {"model.encoder.more": t[FIRST]},
    "a head of another width": lambda t: {"model.head.0.weight": torch.zeros(7, 8)},
    "a head without a side": lambda t: {"model.head.2.weight": torch.zeros(3)},
    "no head at all": lambda t: {"model.head.2.weight": None},
    "no layer": lambda t: {FIRST: None},
}


@pytest.mark.parametrize("spoil", SPOILT_WEIGHTS)
def test_victims(everything, spoil):
    victim = artifact_of(everything, "victim")
    tensors = {**victim.tensors, **SPOILT_WEIGHTS[spoil](victim.tensors)}
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    victim_of(victim)
    refused(Artifact(tensors, victim.info, victim.about), victim_of, "stored (victim|weights)")


def test_pretrained_weights_of_another_encoder(everything):
    pretrained = artifact_of(everything, "pretraining")
    settings = {"encoder": "structure2vec", "width": 8, "layers": 2, "seed": 0}
    load_pretrained(new_encoder(settings, 1), pretrained)
    for other in ({"width": 9}, {"encoder": "gin"}):
        encoder = new_encoder({**settings, **other}, 1)
        refused(pretrained, lambda it, encoder=encoder: load_pretrained(encoder, it), "weights of")


def test_tensors_that_share_memory_are_stored_apart(tmp_path):
    whole = torch.arange(6.0)
    shared = {"whole": whole, "same": whole, "part": whole[2:4], "turned": whole.reshape(2, 3).T}
    path = tmp_path / "shared.safetensors"
    path.write_bytes(Artifact(shared).dumps())
    read = Artifact.read(path)
    assert all(torch.equal(read.tensors[name], shared[name]) for name in shared)
    assert read.digest == Artifact(shared).digest
