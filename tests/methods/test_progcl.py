"""ProGCL: the mixture against its public code's numbers and scipy, the losses against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from generators import seeded

from robust_augcl.contrast.losses import cosine_similarities, info_nce
from robust_augcl.contrast.objective import InfoNCE, LossSettings
from robust_augcl.contrast.progcl import weights as progcl
from robust_augcl.contrast.progcl.mixing import mixed_nce_of
from robust_augcl.contrast.progcl.mixture import BetaMixture
from robust_augcl.contrast.progcl.weights import MixtureSettings, MixtureWeighter
from robust_augcl.methods.progcl_mix import ProGCLMix


@pytest.fixture
def published(vectors):
    return vectors("progcl")


def test_em_equals_the_published_code(published):
    start = BetaMixture(
        published["alphas_init"], published["betas_init"], published["weights_init"]
    )
    mixture = start.fitted(published["similarity"], int(published["iterations"]))
    torch.testing.assert_close(mixture.alphas, published["alphas"], rtol=1e-9, atol=0)
    torch.testing.assert_close(mixture.betas, published["betas"], rtol=1e-9, atol=0)
    torch.testing.assert_close(mixture.shares, published["weights"], rtol=1e-9, atol=0)
    torch.testing.assert_close(
        mixture.posterior(published["similarity"]), published["posterior_0"], rtol=1e-9, atol=0
    )


def test_em_starts_where_the_published_code_does(published):
    start = BetaMixture.start(0.15)
    torch.testing.assert_close(start.alphas, published["alphas_init"])
    torch.testing.assert_close(start.betas, published["betas_init"])
    torch.testing.assert_close(start.shares, published["weights_init"])


def test_one_step_of_em_is_the_loop():
    x = np.concatenate(
        [np.random.default_rng(0).beta(2, 8, 60), np.random.default_rng(1).beta(9, 6, 40)]
    )
    start = BetaMixture.start(0.3)
    alphas, betas, shares = (part.tolist() for part in (start.alphas, start.betas, start.shares))
    r = [[], []]
    for value in x:
        joint = [
            max(shares[k] * scipy.stats.beta.pdf(value, alphas[k], betas[k]), 1e-12) for k in (0, 1)
        ]
        for k in (0, 1):
            r[k].append(joint[k] / sum(joint))
    mixture = start.fitted(torch.from_numpy(x), 1)
    for k in (0, 1):
        mean = sum(w * v for w, v in zip(r[k], x, strict=True)) / sum(r[k])
        variance = sum(w * (v - mean) ** 2 for w, v in zip(r[k], x, strict=True)) / sum(r[k])
        # The beta distribution with this mean and variance, by scipy's own moments.
        found = scipy.stats.beta(float(mixture.alphas[k]), float(mixture.betas[k]))
        assert found.mean() == pytest.approx(mean, rel=1e-9)
        assert found.var() == pytest.approx(variance, rel=1e-9)
        assert float(mixture.shares[k]) == pytest.approx(sum(r[k]) / len(x), rel=1e-9)


def test_the_second_beta_is_kept_above_1():
    # Mass piled up at 1 pulls it below.
    x = torch.cat(
        [torch.rand(200, generator=seeded(0)) * 0.5, 1 - torch.rand(200, generator=seeded(1)) ** 6]
    )
    assert float(BetaMixture.start(0.5).fitted(x, 5).betas[1]) == 1.01


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_equal_similarities_leave_the_mixture_where_it_was_and_finite(value):
    start = BetaMixture.start(0.05)
    mixture = start.fitted(torch.full((50,), value), 10)
    posterior = mixture.posterior(torch.tensor([0.0, 0.5, 1.0]))
    assert torch.isfinite(posterior).all()
    assert ((posterior >= 0) & (posterior <= 1)).all()


@pytest.mark.parametrize("values", [[0.3, 0.7], [0.3, 0.3, 0.9], [0.1] * 50 + [0.9] * 50])
def test_a_few_values_leave_the_mixture_finite(values):
    # Each component would draw together on one of them.
    mixture = BetaMixture.start(0.05).fitted(torch.tensor(values), 30)
    posterior = mixture.posterior(torch.tensor([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]))
    assert torch.isfinite(posterior).all()


def test_weights_are_the_formula():
    z1, z2 = torch.randn(2, 6, 4, generator=seeded(2), dtype=torch.float64)
    weighter = MixtureWeighter(MixtureSettings())
    weight = weighter(z1, z2)
    similarity = cosine_similarities(z1, z2).tolist()
    for i in range(6):
        row = {}
        for j in range(6):
            if j != i:
                x = (similarity[i][j] + 1) / 2
                first, second = (
                    0.95 * scipy.stats.beta.pdf(x, 1, 2),
                    0.05 * scipy.stats.beta.pdf(x, 2, 1),
                )
                row[j] = first / (first + second + 1e-12) * x
        mean = sum(row.values()) / 5
        assert [float(weight[i, j]) for j in row] == pytest.approx(
            [value / mean for value in row.values()], rel=1e-9
        )
        assert float(weight[i, i]) == 1


def test_the_mixture_is_fitted_to_columns_of_similarities_of_negatives():
    batches = [tuple(torch.randn(2, 8, 4, generator=seeded(seed))) for seed in range(3)]
    everything = MixtureWeighter(MixtureSettings(columns=100))
    everything.fit(lambda: iter(batches), seeded(0))
    values = torch.stack(
        [
            cosine_similarities(z1, z2)[i, j]
            for z1, z2 in batches
            for j in range(8)
            for i in range(8)
            if i != j
        ]
    )
    expected = BetaMixture.start(0.05).fitted((values + 1) / 2, 10)
    torch.testing.assert_close(everything.mixture.alphas, expected.alphas, rtol=1e-6, atol=0)
    some, again, other = (MixtureWeighter(MixtureSettings(columns=5)) for _ in range(3))
    for weighter, seed in ((some, 0), (again, 0), (other, 1)):
        weighter.fit(lambda: iter(batches), seeded(seed))
    assert torch.equal(some.mixture.alphas, again.mixture.alphas)
    assert not torch.equal(some.mixture.alphas, other.mixture.alphas)


def test_positive_pairs_do_not_touch_the_mixture():
    # Small batches, whose positives would be a fifth of the values: how alike they are must not
    # matter.
    def fitted(positive):
        anchors = [
            torch.eye(5, 6, dtype=torch.float64)
            + 0.3 * torch.rand(5, 6, generator=seeded(k), dtype=torch.float64)
            for k in range(4)
        ]
        units = [z / z.norm(dim=1, keepdim=True) for z in anchors]
        made = MixtureWeighter(MixtureSettings())

        def similarities(z1, z2):
            return cosine_similarities(z1, z2).diagonal_scatter(
                torch.full((5,), positive, dtype=torch.float64)
            )

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(progcl, "cosine_similarities", similarities)
            made.fit(lambda: iter([(z, z) for z in units]), seeded(0))
        return made.mixture

    alike, unlike = fitted(1.0), fitted(-0.9)
    assert torch.equal(alike.alphas, unlike.alphas)
    assert torch.equal(alike.shares, unlike.shares)


def test_a_note_on_weights_speaks_of_no_uncertainty():
    weighter = MixtureWeighter(MixtureSettings())
    objective = InfoNCE(LossSettings(), weighter)
    z = torch.ones(6, 4)
    objective.loss(z, z, torch.arange(6))
    assert any("equal weights" in note for note in objective.notes)
    assert not any("uncertainty" in note for note in objective.notes)


@pytest.mark.parametrize("inside", [True, False])
def test_mixing_is_the_loop(inside):
    generator = seeded(3)
    similarity = torch.rand(6, 6, generator=generator, dtype=torch.float64) * 2 - 1
    hardness = torch.rand(6, 6, generator=generator, dtype=torch.float64)
    order = [2, 0, 1]
    total = 0.0
    for i in range(6):
        hardest = sorted((j for j in range(6) if j != i), key=lambda j: -float(hardness[i, j]))[:3]
        s, h = [float(similarity[i, j]) for j in hardest], [float(hardness[i, j]) for j in hardest]
        mixed = [(h[k] * s[k] + h[order[k]] * s[order[k]]) / (h[k] + h[order[k]]) for k in range(3)]
        e = [math.exp(float(similarity[i, j]) / 0.4) for j in range(6)]
        below = sum(math.exp(m / 0.4) for m in mixed) + sum(e) - (0 if inside else e[i])
        total -= math.log(e[i] / below)
    loss = mixed_nce_of(
        similarity, hardness, torch.tensor(order), temperature=0.4, positive_in_denominator=inside
    )
    assert float(loss) == pytest.approx(total / 6, rel=1e-9)


def test_mixing_adds_negatives_to_the_plain_loss():
    z1, z2 = torch.randn(2, 6, 4, generator=seeded(4))
    objective = ProGCLMix(hardest=4).objective(4, LossSettings(0.5), seeded(0), "cpu")
    mixed, plain = objective.loss(z1, z2, torch.arange(6)), info_nce(z1, z2, temperature=0.5)
    assert float(mixed) > float(plain) + 0.05
