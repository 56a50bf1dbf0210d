"""Weights, similarities and uncertainties of true and false negatives, against loops over pairs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from generators import seeded

from robust_augcl.contrast.diagnostics import (
    BINS,
    QUANTILES,
    diagnose,
    false_negatives,
    push,
    share_on,
    summary,
)
from robust_augcl.contrast.losses import cosine_similarities
from robust_augcl.contrast.objective import Embedded, LossSettings
from robust_augcl.methods.augcl import AUGCL
from robust_augcl.methods.dcl import DCL
from robust_augcl.methods.graphcl import GraphCL
from robust_augcl.methods.moco import MoCo

LABELS = torch.tensor([0, 1, 0, 0, 2, 1, 0, 1])


def batches():
    """Two batches of four graphs, not in order."""
    z1, z2 = torch.randn(2, 8, 5, generator=seeded(0))
    return [
        Embedded(z1[numbers], z2[numbers], numbers)
        for numbers in (torch.tensor([5, 0, 3, 2]), torch.tensor([7, 1, 6, 4]))
    ]


def objective(method):
    return method.objective(5, LossSettings(0.5), seeded(1), "cpu")


def pairs(values):
    """Values of all negatives by kind, by a loop; `values(batch)` is (4, 4)."""
    found = {"true": [], "false": []}
    for batch in batches():
        matrix = values(batch)
        for i, a in enumerate(batch.numbers.tolist()):
            for j, b in enumerate(batch.numbers.tolist()):
                if i != j:
                    found["false" if LABELS[a] == LABELS[b] else "true"].append(float(matrix[i, j]))
    return found


def share(found):
    return sum(found["false"]) / (sum(found["false"]) + sum(found["true"]))


def test_false_negatives_are_the_others_of_the_anchors_class():
    false, true = false_negatives(torch.tensor([0, 1, 0]))
    assert false.tolist() == [[False, False, True], [False, False, False], [True, False, False]]
    assert true.tolist() == [[False, True, False], [True, False, True], [False, True, False]]


def test_shares_are_the_loops():
    method = AUGCL(hidden=8, alpha="batch_mean")
    made = objective(method)
    found = diagnose(batches(), made, LABELS)
    shares = found["false_negatives"]
    assert shares["share_of_pairs"] == pytest.approx(
        share(pairs(lambda batch: torch.ones(4, 4))), abs=1e-6
    )
    assert shares["share_of_weight"] == pytest.approx(
        share(pairs(lambda batch: made.weighter(batch.z1, batch.z2))), abs=1e-6
    )
    weighted = pairs(
        lambda batch: torch.softmax(
            (
                made.weighter(batch.z1, batch.z2).log()
                + cosine_similarities(batch.z1, batch.z2) / 0.5
            ),
            dim=1,
        )
    )
    assert shares["share_of_push"] == pytest.approx(share(weighted), abs=1e-5)
    assert len({round(value, 4) for value in shares.values()}) == 3


def test_distributions_are_numpys():
    made = objective(AUGCL(hidden=8))
    found = diagnose(batches(), made, LABELS)
    for name, values in (
        ("similarity", lambda batch: cosine_similarities(batch.z1, batch.z2)),
        ("uncertainty", lambda batch: made.uncertainty(batch.z1, batch.z2)),
    ):
        expected = pairs(values)
        low, high = found[name]["range"]
        for kind in ("true", "false"):
            numbers = found[name][kind]
            assert numbers["count"] == len(expected[kind])
            assert numbers["mean"] == pytest.approx(np.mean(expected[kind]), rel=1e-4)
            quantiles = np.quantile(expected[kind], QUANTILES, method="closest_observation")
            assert numbers["quantiles"][0] == pytest.approx(quantiles[0], rel=1e-4)
            assert numbers["quantiles"][-1] == pytest.approx(quantiles[-1], rel=1e-4)
            assert numbers["quantiles"] == sorted(numbers["quantiles"])
            assert numbers["histogram"] == pytest.approx(
                np.histogram(expected[kind], bins=BINS, range=(low, high))[0], abs=1
            )
            assert sum(numbers["histogram"]) == len(expected[kind])


def test_quantiles_are_order_statistics():
    values = torch.randperm(101, generator=seeded(0)).float()
    assert summary(values, 0, 100)["quantiles"] == [round(100 * q) for q in QUANTILES]


def test_what_a_method_does_not_have_is_none():
    plain = diagnose(batches(), objective(GraphCL()), LABELS)
    assert plain["false_negatives"]["share_of_weight"] == plain["false_negatives"]["share_of_pairs"]
    assert plain["uncertainty"] is None
    moco = diagnose(batches(), objective(MoCo()), LABELS)
    assert moco["false_negatives"]["share_of_weight"] is None
    assert moco["false_negatives"]["share_of_push"] is None
    assert diagnose([], objective(GraphCL()), LABELS) == {}


def test_a_class_alone_and_a_single_class_are_described():
    for labels in (torch.zeros(8, dtype=torch.long), torch.arange(8)):
        found = diagnose(batches(), objective(AUGCL(hidden=8)), labels)
        assert found["false_negatives"]["share_of_pairs"] == float(labels[1] == 0)
        assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_push_is_the_gradient_by_finite_differences():
    z1, z2 = (z.double() for z in batches()[0][:2])
    made = objective(DCL(0.2))
    similarity, found = cosine_similarities(z1, z2), push(made, z1, z2)
    for i, j in ((0, 1), (2, 3), (3, 0)):
        shift = torch.zeros(4, 4, dtype=torch.float64)
        shift[i, j] = 1e-6
        difference = (
            made.pair_loss(similarity + shift, z1, z2) - made.pair_loss(similarity - shift, z1, z2)
        ) / 2e-6
        assert float(found[i, j]) == pytest.approx(abs(float(difference)), rel=1e-4, abs=1e-9)


def test_no_weight_has_no_share():
    assert (
        share_on(
            torch.zeros(3), torch.tensor([True, False, False]), torch.tensor([False, True, True])
        )
        is None
    )
