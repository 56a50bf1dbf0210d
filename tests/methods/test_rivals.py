"""The rivals' losses against double loops written from their papers, in plain Python."""

from __future__ import annotations

import math

import pytest
import torch
from generators import seeded

from robust_augcl import registry
from robust_augcl.contrast.losses import cosine_similarities, debiased_nce_of, info_nce
from robust_augcl.contrast.objective import LossSettings
from robust_augcl.methods.dcl import DCL
from robust_augcl.methods.hcl import HCL
from robust_augcl.methods.moco import MoCo, queue_nce
from robust_augcl.methods.prototypes import Prototypes, balanced_assignment


def embeddings(seed=0, size=7, width=5):
    return torch.randn(2, size, width, generator=seeded(seed), dtype=torch.float64)


def objective(method, width=5, **settings):
    return method.objective(width, LossSettings(**settings), seeded(1), "cpu")


def cosine(a, b):
    return (
        sum(p * q for p, q in zip(a, b, strict=True))
        / math.sqrt(sum(p * p for p in a))
        / math.sqrt(sum(q * q for q in b))
    )


def debiased_by_loop(z1, z2, temperature, tau, beta, positive_in_denominator):
    anchors, views = z1.tolist(), z2.tolist()
    total = 0.0
    for i, anchor in enumerate(anchors):
        e = [math.exp(cosine(anchor, view) / temperature) for view in views]
        negatives = [value for j, value in enumerate(e) if j != i]
        importance = [value**beta for value in negatives]
        hard = sum(v * value for v, value in zip(importance, negatives, strict=True)) / sum(
            importance
        )
        g = max((hard - tau * e[i]) / (1 - tau), math.exp(-1 / temperature))
        total -= math.log(e[i] / ((e[i] if positive_in_denominator else 0.0) + len(negatives) * g))
    return total / len(anchors)


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("temperature", [0.2, 0.5, 3.0])
@pytest.mark.parametrize("tau", [0.0, 0.1, 0.45])
def test_dcl_is_the_papers_loss(temperature, tau, inside):
    z1, z2 = embeddings(1)
    z2 = z1 + 0.7 * z2  # near positives, so that the estimate is sometimes cut off
    loss = objective(
        DCL(class_prior=tau), temperature=temperature, positive_in_denominator=inside
    ).loss(z1, z2, torch.arange(7))
    assert float(loss) == pytest.approx(
        debiased_by_loop(z1, z2, temperature, tau, 0.0, inside), rel=1e-10
    )


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize(("tau", "beta"), [(0.0, 0.5), (0.1, 1.0), (0.4, 2.0)])
def test_hcl_is_the_papers_loss(tau, beta, inside):
    z1, z2 = embeddings(2)
    z2 = z1 + 0.7 * z2
    loss = objective(
        HCL(class_prior=tau, hardness=beta), temperature=0.4, positive_in_denominator=inside
    ).loss(z1, z2, torch.arange(7))
    assert float(loss) == pytest.approx(debiased_by_loop(z1, z2, 0.4, tau, beta, inside), rel=1e-10)


def test_both_sides_of_the_cut_were_tried():
    z1, z2 = embeddings(1)
    similarity = cosine_similarities(z1, z1 + 0.7 * z2)
    cut = 0
    for temperature in (0.2, 0.5, 3.0):
        e = (similarity / temperature).exp()
        mean = (e.sum(1) - e.diagonal()) / 6
        cut += int(((mean - 0.1 * e.diagonal()) / 0.9 < math.exp(-1 / temperature)).sum())
    assert 0 < cut < 21


def test_hcl_without_hardness_is_dcl_and_dcl_without_a_prior_is_info_nce():
    z1, z2 = embeddings(3)
    for inside in (True, False):
        settings = {"temperature": 0.3, "positive_in_denominator": inside}
        dcl, hcl = objective(DCL(0.2), **settings), objective(HCL(0.2, 0.0), **settings)
        torch.testing.assert_close(hcl.loss(z1, z2, None), dcl.loss(z1, z2, None))
        plain = objective(DCL(0.0), **settings).loss(z1, z2, None)
        torch.testing.assert_close(plain, info_nce(z1, z2, **settings))


def test_the_importances_of_hcl_are_its_weights():
    z1, z2 = embeddings(4)
    hcl = objective(HCL(0.0, 1.5), temperature=0.5)
    weight = hcl.pair_weights(z1, z2)
    # Without a prior, HCL is InfoNCE with these weights.
    torch.testing.assert_close(
        hcl.loss(z1, z2, None), info_nce(z1, z2, temperature=0.5, weight=weight)
    )


@pytest.mark.parametrize("temperature", [0.02, 0.01])
def test_low_temperatures_stay_finite(temperature):
    z1, z2 = (z.float().requires_grad_(True) for z in embeddings(5))
    for inside in (True, False):
        loss = debiased_nce_of(
            cosine_similarities(z1, z2),
            temperature=temperature,
            class_prior=0.1,
            hardness=1.0,
            positive_in_denominator=inside,
        )
        gradient = torch.autograd.grad(loss, z1)[0]
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


# --- MoCo -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", [True, False])
def test_moco_is_the_papers_loss(inside):
    z1, z2 = embeddings(6)
    queue = torch.randn(9, 5, generator=seeded(7), dtype=torch.float64)
    own = torch.zeros(7, 9, dtype=torch.bool)
    own[2, 4] = own[3, 0] = True
    total = 0.0
    for i, anchor in enumerate(z1.tolist()):
        positive = math.exp(cosine(anchor, z2[i].tolist()) / 0.3)
        negatives = sum(
            math.exp(cosine(anchor, key) / 0.3)
            for k, key in enumerate(queue.tolist())
            if not own[i, k]
        )
        total -= math.log(positive / ((positive if inside else 0) + negatives))
    loss = queue_nce(z1, z2, queue, own, LossSettings(0.3, inside))
    assert float(loss) == pytest.approx(total / 7, rel=1e-10)


def test_the_queue_holds_the_latest_keys_and_whose_they_are():
    moco = objective(MoCo(queue=5))
    batches = [
        (embeddings(seed, size=3)[1], torch.tensor(numbers))
        for seed, numbers in ((0, [4, 1, 7]), (1, [0, 2, 3]))
    ]
    for z2, numbers in batches:
        moco.loss(z2, z2, numbers)
    expected = torch.cat([z2 for z2, _ in batches])[1:]
    torch.testing.assert_close(moco.keys, expected / expected.norm(dim=1, keepdim=True))
    assert moco.owners.tolist() == [1, 7, 0, 2, 3]


def test_the_key_encoder_follows_slowly():
    model = torch.nn.Linear(2, 2)
    moco = objective(MoCo(momentum=0.75))
    moco.begin(model)
    before = model.weight.detach().clone()
    with torch.no_grad():
        model.weight.add_(4.0)
    moco.after_step(model)
    torch.testing.assert_close(moco.key_model(model).weight, before + 1.0)
    assert not moco.key_model(model).weight.requires_grad


def test_without_the_positive_the_mean_is_over_anchors_that_have_negatives():
    z1, z2 = embeddings(6, size=4)
    queue = torch.randn(3, 5, generator=seeded(7), dtype=torch.float64)
    own = torch.zeros(4, 3, dtype=torch.bool)
    own[1] = True
    others = torch.tensor([0, 2, 3])
    settings = LossSettings(0.3, positive_in_denominator=False)
    loss = queue_nce(z1, z2, queue, own, settings)
    expected = queue_nce(z1[others], z2[others], queue, own[others], settings)
    torch.testing.assert_close(loss, expected)
    assert float(expected) != 0


def test_no_negatives_give_no_loss_and_no_nan():
    z1, z2 = (z.requires_grad_(True) for z in embeddings(8))
    for inside in (True, False):
        moco = objective(MoCo(), positive_in_denominator=inside)
        loss = moco.loss(z1, z2, torch.arange(7))
        loss.backward()
        assert float(loss.detach()) == 0
        assert torch.isfinite(z1.grad).all()


# --- prototypes -----------------------------------------------------------------------------------


def test_assignments_are_balanced():
    scores = torch.rand(24, 6, generator=seeded(0), dtype=torch.float64) * 2 - 1
    q = balanced_assignment(scores, 0.5, 200)
    torch.testing.assert_close(q.sum(1), torch.ones(24, dtype=torch.float64))
    torch.testing.assert_close(q.sum(0), torch.full((6,), 4.0, dtype=torch.float64))
    # Q = Diag(u) exp(S / e) Diag(v): cross-ratios are those of exp(S / e).
    ratio = q.log() - scores / 0.5
    torch.testing.assert_close(
        ratio - ratio[:1] - ratio[:, :1] + ratio[0, 0],
        torch.zeros(24, 6, dtype=torch.float64),
        atol=1e-9,
        rtol=0,
    )


@pytest.mark.parametrize("directions", ["one", "both"])
def test_prototypes_are_the_papers_loss(directions):
    z1, z2 = embeddings(9)
    swav = objective(Prototypes(prototypes=3), temperature=0.1, directions=directions)
    centres = swav.prototypes.detach().double().tolist()

    def assignment(z):
        q = [[math.exp(cosine(a, c) / 0.05) for c in centres] for a in z.tolist()]
        for _ in range(3):
            columns = [sum(row[k] for row in q) for k in range(3)]
            q = [[value / columns[k] for k, value in enumerate(row)] for row in q]
            q = [[value / sum(row) for value in row] for row in q]
        return q

    def prediction(z, q):
        total = 0.0
        for a, row in zip(z.tolist(), q, strict=True):
            powers = [math.exp(cosine(a, c) / 0.1) for c in centres]
            total -= sum(
                share * math.log(power / sum(powers))
                for share, power in zip(row, powers, strict=True)
            )
        return total / len(q)

    expected = prediction(z1, assignment(z2))
    if directions == "both":
        expected = (expected + prediction(z2, assignment(z1))) / 2
    swav.prototypes.data = swav.prototypes.data.double()
    assert float(swav.loss(z1, z2, None).detach()) == pytest.approx(expected, rel=1e-6)


# --- all ------------------------------------------------------------------------------------------

METHODS = [name for name in registry.names("method") if name != "none"]


@pytest.mark.thorough(
    only=[
        "simgrace-augcl",
        "simgrace-dcl",
        "simgrace-gca",
        "simgrace-grace",
        "simgrace-moco",
        "simgrace-progcl",
        "simgrace-prototypes",
    ]
)
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("base", ["graphcl", "simgrace"])
def test_every_method_trains_on_every_base(name, base, random_graphs):
    from robust_augcl.contrast.pretrain import (
        Batches,
        ContrastiveModel,
        Pretraining,
        contrastive_training,
        fit_objective,
    )
    from robust_augcl.encoders.gin import GIN
    from robust_augcl.models.optimizer import adam

    small = {"augcl": {"passes": 1, "hidden": 8}}
    method = registry.load("method", name)(**small.get(name, {}))
    settings = Pretraining(
        base=base,
        batch_size=8,
        learning_rate=0.01,
        temperature=0.5,
        directions="both",
        perturbation=0.5,
    )
    graphs = random_graphs(0, [7] * 20)

    def train():
        encoder = GIN(in_features=3, width=4, layers=2, generator=seeded(0))
        model = ContrastiveModel(encoder, settings, seeded(1))
        made = method.objective(encoder.embedding_size, settings.loss, seeded(2), "cpu")
        if made.learns:
            fit_objective(made, model, Batches(graphs, settings, seeded(3)), seeded(4))
        losses = contrastive_training(
            model, adam(model, 0.01), Batches(graphs, settings, seeded(5)), settings, 4, made
        )
        return losses, model

    state = torch.get_rng_state()
    losses, model = train()
    again, same = train()
    assert torch.equal(torch.get_rng_state(), state)
    assert losses == again
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True)
    )
    assert all(math.isfinite(loss) for loss in losses)
    start = ContrastiveModel(
        GIN(in_features=3, width=4, layers=2, generator=seeded(0)), settings, seeded(1)
    )
    assert all(
        not torch.equal(a, b)
        for a, b in zip(
            model.encoder.mlps.parameters(), start.encoder.mlps.parameters(), strict=True
        )
    )


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("dcl", "class_prior", 1.0),
        ("dcl", "class_prior", -0.1),
        ("hcl", "class_prior", 1.5),
        ("hcl", "hardness", -1.0),
        ("progcl", "columns", 0),
        ("progcl", "iterations", 0),
        ("progcl", "false_share", 0.0),
        ("progcl_mix", "false_share", 1.0),
        ("progcl_mix", "hardest", 0),
        ("moco", "queue", 0),
        ("moco", "momentum", 1.0),
        ("prototypes", "prototypes", 1),
        ("prototypes", "smoothness", 0.0),
        ("prototypes", "iterations", 0),
    ],
)
def test_settings_out_of_range_are_refused(name, field, value):
    with pytest.raises(ValueError, match=field):
        registry.load("method", name)(**{field: value})
