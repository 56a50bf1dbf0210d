"""The pretraining step: what it stores, and that it never looks at labels while it trains."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from robust_augcl.plan.planner import plan
from robust_augcl.plan.suite import make_suite
from robust_augcl.steps.context import Context
from robust_augcl.steps.data_sets import compute_dataset
from robust_augcl.steps.inputs import Inputs
from robust_augcl.steps.pretraining import compute_pretraining, compute_warm_up
from robust_augcl.store.store import Store

TABLE = {
    "name": "tiny",
    "dataset": {"source": "components", "nodes": [15, 20], "graphs_per_class": 12},
    "encoder": {"name": "structure2vec", "width": 8},
    "pretraining": {"warm_up_epochs": 2, "continued_epochs": 2, "batch_size": 10},
    "threat": {"operations": ["add"], "within_component": True},
    "methods": [
        {"name": "graphcl"},
        {"name": "augcl", "passes": 2, "hidden": 8},
        {
            "name": "augcl",
            "label": "augcl on simgrace",
            "passes": 2,
            "hidden": 8,
            "pretraining": {"base": "simgrace"},
        },
    ],
    "attacks": [{"name": "rand_sampling"}],
}


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """Method -> the pretraining's artifact, with the true labels or with others."""
    context = Context(Store(tmp_path_factory.mktemp("store")))
    attacks = plan(make_suite(TABLE, "tiny")).attacks

    def run(labels=None):
        found = {}
        for attack in attacks:
            step = attack.inputs["victim"].inputs["pretraining"]
            data, warm_up = step.inputs["dataset"], step.inputs["warm_up"]
            dataset = compute_dataset(data, Inputs({}, {}), context)
            if labels is not None:
                dataset = dataclasses.replace(
                    dataset, tensors={**dataset.tensors, "y": labels(dataset.tensors["y"])}
                )
            warmed = compute_warm_up(warm_up, Inputs({"dataset": dataset}, {}), context)
            warmed = dataclasses.replace(warmed, about={"seconds": 1.5})
            found[attack.cell.method] = compute_pretraining(
                step, Inputs({"dataset": dataset, "warm_up": warmed}, {}), context
            )
        return found

    return run


def test_labels_are_for_the_diagnosis_alone(pretrained):
    true, other = pretrained(), pretrained(lambda y: (y * 7 + torch.arange(len(y))) % 2)
    for method, artifact in true.items():
        assert artifact.tensors.keys() == other[method].tensors.keys()
        assert all(
            torch.equal(value, other[method].tensors[name])
            for name, value in artifact.tensors.items()
        )
        assert artifact.info["losses"] == other[method].info["losses"]
        assert artifact.info["diagnosis"] != other[method].info["diagnosis"]


def test_what_is_stored(pretrained):
    found = pretrained()
    for artifact in found.values():
        assert len(artifact.info["losses"]) == 2
        assert artifact.about["warm_up_seconds"] == 1.5
        assert artifact.about["seconds"] > 0
    shares = {
        method: artifact.info["diagnosis"]["false_negatives"] for method, artifact in found.items()
    }
    assert shares["graphcl"]["share_of_weight"] == shares["graphcl"]["share_of_pairs"]
    assert shares["augcl"]["share_of_weight"] != shares["augcl"]["share_of_pairs"]
    assert len(found["augcl"].info["uncertainty_losses"]) == 2
    assert 0 <= found["augcl"].info["calibration"]["coverage"] <= 1
    assert found["graphcl"].info["diagnosis"]["uncertainty"] is None
    assert sum(found["augcl"].info["diagnosis"]["uncertainty"]["true"]["histogram"]) > 0


def test_the_base_changes_what_is_learnt(pretrained):
    found = pretrained()
    augcl, simgrace = found["augcl"], found["augcl on simgrace"]
    assert any(
        not torch.equal(value, simgrace.tensors[name]) for name, value in augcl.tensors.items()
    )
