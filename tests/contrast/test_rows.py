"""Losses in blocks of anchors: values and gradients against whole matrices."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from generators import seeded
from grace_by_hand import loss_of_whole_matrices

from robust_augcl import registry
from robust_augcl.contrast.losses import cosine_similarities, debiased_nce_of, info_nce_of
from robust_augcl.contrast.node_pretrain import pair_objective
from robust_augcl.contrast.objective import InfoNCE, LossSettings
from robust_augcl.contrast.progcl.mixing import mixed_nce_of
from robust_augcl.contrast.row_losses import debiased_nce_rows, info_nce_rows, mixed_nce_rows
from robust_augcl.contrast.rows import Rows, loss_in_blocks, row_blocks
from robust_augcl.errors import InputError
from robust_augcl.graphs.limits import Limits, using

NODES = 13
SETTINGS = LossSettings(0.3, directions="both")


def two_views(size=5, nodes=NODES, seed=0):
    z = torch.randn(2, nodes, size, generator=seeded(seed), dtype=torch.float64)
    z[1] += z[0]
    return z[0].requires_grad_(True), z[1].requires_grad_(True)


def value_and_gradients(loss, views):
    value = loss(*views)
    return value, *torch.autograd.grad(value, views)


def assert_same(found, expected, tolerance=1e-10):
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("rows", [1, 4, NODES])
def test_plain_loss_in_blocks_is_that_of_whole_matrices(rows):
    views = two_views()
    expected = value_and_gradients(lambda a, b: loss_of_whole_matrices(a, b, 0.3), views)
    objective = InfoNCE(SETTINGS)
    with using(Limits(row_pairs=rows * NODES)):
        assert len(row_blocks(NODES)) == -(-NODES // rows)
        found = value_and_gradients(lambda a, b: loss_in_blocks(objective.row_losses, a, b), views)
    assert_same(found, expected)


@pytest.mark.parametrize("name", ["augcl", "progcl"])
@pytest.mark.parametrize("rows", [2, NODES])
def test_weighted_losses_in_blocks_are_those_of_whole_matrices(name, rows):
    """The whole matrices' weights are those of graphs, from `weigh` instead of `weigh_rows`."""
    views = two_views()
    method = registry.load("method", name)(**({"passes": 2} if name == "augcl" else {}))
    objective = method.objective(5, SETTINGS, seeded(1), "cpu")
    if name == "augcl":
        objective.weighter.model.network.double()
    batch = [view.detach() for view in views]
    if name == "progcl":
        objective.weighter.fit(lambda: iter([tuple(batch)]), seeded(2))
    there = objective.weighter(*batch)
    back = objective.weighter(*reversed(batch))
    assert float((there - 1).abs().max()) > 0.01
    expected = value_and_gradients(
        lambda a, b: loss_of_whole_matrices(a, b, 0.3, (there, back)), views
    )
    with using(Limits(row_pairs=rows * NODES)):
        found = value_and_gradients(lambda a, b: loss_in_blocks(objective.row_losses, a, b), views)
    assert_same(found, expected, 1e-6)


@pytest.mark.parametrize("name", ["dcl", "hcl", "progcl_mix", "augcl"])
def test_blocks_change_no_loss(name):
    """Of mixing all blocks but one have a permutation of their own: there is one negative."""
    views = two_views()
    settings = {"progcl_mix": {"hardest": 1}, "augcl": {"uncertainty": "distance"}}
    method = registry.load("method", name)(**settings.get(name, {}))
    found = []
    for rows in (3, NODES):
        losses = method.objective(5, SETTINGS, seeded(1), "cpu").row_losses
        with using(Limits(row_pairs=rows * NODES)):
            found.append(value_and_gradients(partial(loss_in_blocks, losses), views))
    assert_same(*found)
    assert float(found[0][1].abs().max()) > 1e-4


def all_rows(views, intra=False):
    z1, z2 = views
    similarity = cosine_similarities(z1, z2)
    inside = cosine_similarities(z1, z1) if intra else None
    return Rows(z1.detach(), z2.detach(), torch.arange(NODES), similarity, inside), similarity


@pytest.mark.parametrize("positive", [True, False])
def test_rows_of_one_view_are_the_losses_of_graphs(positive):
    rows, similarity = all_rows(two_views())
    settings = {"temperature": 0.2, "positive_in_denominator": positive}
    weight = torch.rand(NODES, NODES, generator=seeded(3), dtype=torch.float64)
    assert_same(
        [info_nce_rows(rows, weight=weight, **settings).mean()],
        [info_nce_of(similarity, weight=weight, **settings)],
    )
    for hardness in (0.0, 1.5):
        assert_same(
            [debiased_nce_rows(rows, class_prior=0.1, hardness=hardness, **settings).mean()],
            [debiased_nce_of(similarity, class_prior=0.1, hardness=hardness, **settings)],
        )
    order = torch.tensor([2, 0, 1])
    assert_same(
        [mixed_nce_rows(rows, weight, order, **settings).mean()],
        [mixed_nce_of(similarity, weight, order, **settings)],
    )


def test_debiased_rows_hold_the_negatives_of_both_views():
    """DCL by a loop over anchors and negatives (arXiv 2007.00224, equation 8)."""
    rows, _ = all_rows([view.detach() for view in two_views()], intra=True)
    found = debiased_nce_rows(rows, temperature=0.5, class_prior=0.1)
    for i in range(NODES):
        positive = float(rows.inter[i, i].div(0.5).exp())
        negatives = [
            float(of[i, j].div(0.5).exp()) for of in rows[3:] for j in range(NODES) if j != i
        ]
        mean = sum(negatives) / len(negatives)
        estimate = max((mean - 0.1 * positive) / 0.9, float(torch.tensor(-2.0).exp()))
        loss = -torch.tensor(positive / (positive + len(negatives) * estimate)).log()
        assert float(found[i]) == pytest.approx(float(loss), rel=1e-5)


def test_embeddings_of_zero_and_a_low_temperature_stay_finite():
    z = torch.zeros(4, 3, requires_grad=True)
    for settings in (LossSettings(0.02), LossSettings(0.02, positive_in_denominator=False)):
        loss = loss_in_blocks(InfoNCE(settings).row_losses, z, z + 0)
        loss.backward()
        assert bool(loss.isfinite())
        assert bool(z.grad.isfinite().all())


def test_what_looks_at_all_pairs_at_once_is_refused_on_nodes():
    views = two_views()
    method = registry.load("method", "augcl")(partition="spectral", uncertainty="distance")
    objective = method.objective(5, SETTINGS, seeded(0), "cpu")
    with pytest.raises(InputError, match="two_means"):
        loss_in_blocks(objective.row_losses, *views)
    method = registry.load("method", "augcl")(alpha="batch_mean", uncertainty="distance")
    objective = method.objective(5, SETTINGS, seeded(0), "cpu")
    with pytest.raises(InputError, match="batch_mean"):
        loss_in_blocks(objective.row_losses, *views)


def test_weights_that_would_get_no_gradient_are_refused_on_nodes():
    objective = InfoNCE(SETTINGS)
    assert pair_objective(objective) is objective
    objective.parameters = lambda: [torch.nn.Parameter(torch.ones(1))]
    with pytest.raises(InputError, match="without weights that train along"):
        pair_objective(objective)
