"""Benchmarks, one thread, B = 128, D = 96, each against a plain reference in the same run: `pytest
--benchmark-enable -k speed`.
"""

from __future__ import annotations

import time

import pytest
import torch
from generators import seeded
from real_archives import archives_or_skip
from sklearn.cluster import KMeans
from torch import nn
from torch.autograd.profiler import profile
from torch.nn.functional import softmax

from robust_augcl import registry
from robust_augcl.contrast.augcl.estimators import AffinitySettings, NetworkEstimator
from robust_augcl.contrast.augcl.pair_pass import PairPass
from robust_augcl.contrast.augcl.partition import partition
from robust_augcl.contrast.augment import Augmentation
from robust_augcl.contrast.losses import cosine_similarities
from robust_augcl.contrast.pretrain import (
    Batch,
    Batches,
    ContrastiveModel,
    Pretraining,
    contrastive_training,
    fit_objective,
)
from robust_augcl.encoders.gin import GIN
from robust_augcl.methods.augcl import AUGCL
from robust_augcl.methods.graphcl import GraphCL
from robust_augcl.models.optimizer import adam

B, D = 128, 96


def views():
    centres = torch.randn(4, D, generator=seeded(0))
    z1 = centres[torch.arange(B) % 4] + 0.7 * torch.randn(B, D, generator=seeded(1))
    return z1, z1 + 0.3 * torch.randn(B, D, generator=seeded(2))


def compare(benchmark, ours, reference, wanted, rounds, repeats=1):
    """Run ours as a benchmark. Where benchmarks are on, run both in turns, and ask how many times
    faster ours is.

    Processor time, the best round of each: what else runs on the machine counts least there.
    """
    benchmark(ours)
    if not benchmark.enabled:
        return
    taken = {ours: [], reference: []}
    for _ in range(rounds):
        for function, times in taken.items():
            calls = repeats if function is ours else 1
            start = time.thread_time()
            for _ in range(calls):
                function()
            times.append((time.thread_time() - start) / calls)
    ratio = min(taken[reference]) / min(taken[ours])
    benchmark.extra_info["times faster"] = ratio
    print(f"{benchmark.name}: {ratio:.2f} times faster")
    assert ratio > wanted


def test_benchmark_speed_of_the_partition(benchmark):
    similarity = cosine_similarities(*views())

    def reference():
        for row in similarity.numpy():
            KMeans(2).fit(row[:, None])

    compare(benchmark, lambda: partition(similarity), reference, wanted=150, rounds=9, repeats=50)


class SideBySide(nn.Module):
    """AUGCL's code: all pairs of a batch laid side by side, (B * B, 2D), then shuffled batches of
    pairs.
    """

    def __init__(self, network):
        super().__init__()
        self.layer1, self.layer2, self.layer3 = network.layer1, network.layer2, network.layer3

    def rows(self, z1, z2):
        return torch.cat(
            [z1.unsqueeze(1).repeat(1, B, 1), z2.unsqueeze(0).repeat(B, 1, 1)], dim=2
        ).reshape(-1, 2 * D)

    def forward(self, rows):
        return self.layer3(self.layer2(self.layer1(rows).relu()).relu())

    def loss(self, rows, labels):
        p = softmax(self.forward(rows), dim=1)
        return -(p[:, :-1].gather(1, labels.unsqueeze(1)).squeeze(1) + p[:, -1] / 1.9).log().mean()

    def fit_batch(self, z1, z2, labels, optimizer):
        rows = self.rows(z1, z2)
        for pairs in torch.randperm(labels.numel(), generator=seeded(0)).split(2048):
            loss = self.loss(rows[pairs], labels[pairs])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def estimator():
    return NetworkEstimator(D, AffinitySettings(), "deep_gamblers", seeded(3))


@pytest.mark.parametrize(("reference", "wanted"), [("in the same steps", 2), ("at once", 1.7)])
def test_benchmark_speed_of_an_uncertainty_pass(benchmark, reference, wanted):
    """Forward and backward over all pairs of a batch in the steps that training makes, 2,048
    shuffled pairs each.

    The reference lays the pairs side by side once, as AUGCL's code does, and takes the same steps;
    or all pairs in one step, whose time varies by a third with how much of its memory happens to be
    at hand: 1.9 to 2.6 times ours.
    """
    z1, z2 = views()
    labels = partition(cosine_similarities(z1, z2)).flatten()
    ours, theirs = estimator(), SideBySide(estimator().network)
    order = torch.randperm(B * B, generator=seeded(4))
    shuffled = [part.split(2048) for part in (order // B, order % B, labels[order])]

    def run():
        passing = PairPass(ours.network, ours.loss, 2048)
        for batch in zip(*shuffled, strict=True):
            passing(z1, z2, *batch)

    def side_by_side():
        rows = theirs.rows(z1, z2)
        for pairs in order.split(2048) if reference == "in the same steps" else [slice(None)]:
            theirs.zero_grad()
            theirs.loss(rows[pairs], labels[pairs]).backward()

    compare(benchmark, run, side_by_side, wanted, rounds=40)


def test_both_ways_to_fit_a_batch_learn_the_same():
    z1, z2 = views()
    labels = partition(cosine_similarities(z1, z2)).flatten()
    ours, reference = estimator(), estimator()
    theirs = SideBySide(reference.network)
    ours.fit_batch(z1, z2, labels, torch.optim.SGD(ours.network.parameters(), lr=0.1), seeded(0))
    theirs.fit_batch(z1, z2, labels, torch.optim.SGD(theirs.parameters(), lr=0.1))
    for ours_now, theirs_now in zip(
        ours.network.parameters(), reference.network.parameters(), strict=True
    ):
        torch.testing.assert_close(ours_now, theirs_now, rtol=1e-3, atol=1e-5)


def peak_bytes(function):
    """The most bytes of tensors held at once beyond those at the start, by the profiler's record of
    allocations.
    """
    with profile(profile_memory=True) as recorded:
        function()
    held = peak = 0
    for event in sorted(
        (e for e in recorded.kineto_results.events() if e.name() == "[memory]"),
        key=lambda e: e.start_ns(),
    ):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def test_an_uncertainty_step_holds_at_most_a_third_of_the_pairs_laid_side_by_side():
    z1, z2 = views()
    labels = partition(cosine_similarities(z1, z2)).flatten()
    ours, theirs = estimator(), SideBySide(estimator().network)
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.01) for model in (ours.network, theirs)]
    fitting = peak_bytes(lambda: ours.fit_batch(z1, z2, labels, optimizers[0], seeded(0)))
    fitting_reference = peak_bytes(lambda: theirs.fit_batch(z1, z2, labels, optimizers[1]))
    rows_alone = 4 * B * B * 2 * D
    assert fitting_reference > rows_alone  # so the measure sees them
    assert fitting < fitting_reference / 3
    with torch.no_grad():
        weighing = peak_bytes(lambda: ours(z1, z2))
        weighing_reference = peak_bytes(lambda: theirs(theirs.rows(z1, z2)).softmax(1))
    assert weighing < weighing_reference / 3
    print(
        f"fitting {fitting_reference / fitting:.1f}, weighing "
        f"{weighing_reference / weighing:.1f} times less"
    )


class Repeated:
    """The same batch and view, again and again: what is measured is a step, views made once."""

    def __init__(self, batch):
        self.batch = batch

    def __iter__(self):
        yield self.batch


def molecules(random_graphs):
    """Graphs of MUTAG's size: 18 nodes and 20 edges on average, 7 features."""
    generator = seeded(0)
    sizes = torch.randint(10, 27, (B,), generator=generator).tolist()
    return random_graphs(0, sizes, density=0.13, features=7, classes=2)


def test_benchmark_speed_of_a_weighted_step(benchmark, random_graphs):
    settings = Pretraining(learning_rate=0.01, augmentations=(Augmentation("node_drop", 0.1),))
    graphs = molecules(random_graphs)
    view = graphs.keep_nodes(torch.rand(graphs.num_nodes, generator=seeded(1)) > 0.1)
    batches = Repeated(Batch(graphs, view, torch.arange(B)))

    def step(method):
        encoder = GIN(in_features=7, width=32, layers=3, generator=seeded(0))
        model = ContrastiveModel(encoder, settings, seeded(1))
        objective = method.objective(encoder.embedding_size, settings.loss, seeded(2), "cpu")
        optimizer = adam(model, 1e-9)  # the loss stays what it is
        return lambda: contrastive_training(model, optimizer, batches, settings, 1, objective)

    compare(benchmark, step(AUGCL()), step(GraphCL()), wanted=1 / 3, rounds=25)


def test_the_three_stages_on_mutag_take_at_most_6_seconds(benchmark):
    source = registry.load("data source", "tu")(name="MUTAG")
    graphs = source.load(archives_or_skip(), seeded(0))
    augmentations = (Augmentation("node_drop", 0.1), Augmentation("subgraph", 0.2))
    settings = Pretraining(learning_rate=0.01, augmentations=augmentations)

    def stages(warm_up=20, passes=10, continued=20):
        encoder = GIN(in_features=graphs.x.size(1), width=32, layers=3, generator=seeded(0))
        model = ContrastiveModel(encoder, settings, seeded(1))
        optimizer, batches = adam(model, 0.01), Batches(graphs, settings, seeded(2))
        first = contrastive_training(model, optimizer, batches, settings, warm_up)
        objective = AUGCL(pair_input="unit", passes=passes).objective(
            encoder.embedding_size, settings.loss, seeded(3), "cpu"
        )
        fit_objective(objective, model, batches, seeded(4))
        return first, contrastive_training(
            model, optimizer, batches, settings, continued, objective
        )

    if not benchmark.enabled:
        first, second = benchmark.pedantic(stages, args=(2, 1, 1), rounds=1)
        assert first[-1] < first[0]
        assert len(second) == 1
        return
    start = time.thread_time()
    benchmark.pedantic(stages, rounds=1)
    taken = time.thread_time() - start
    print(f"{benchmark.name}: {taken:.2f} s of processor time")
    assert taken < 6
