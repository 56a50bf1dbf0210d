"""The parts of PRBCD: its blocks of candidates, what it asks, and relaxed edits."""

from __future__ import annotations

import pytest
import torch
from attacked import THREATS, attacked
from generators import seeded

from robust_augcl.adversary.victim import Access
from robust_augcl.attacks._blocks import Blocks
from robust_augcl.attacks.prbcd import PRBCD, _Ascent, wrongness
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import apply_all


def an_ascent(victim, graphs, threat, **settings):
    return _Ascent(PRBCD(**settings), victim.restricted(Access.GRADIENT), graphs, threat, seeded(3))


@pytest.mark.parametrize("threat", THREATS)
def test_blocks_hold_different_candidates_of_their_graph_and_keep_the_heavy_half(
    victim, reference_graphs, threat
):
    ascent = an_ascent(victim, reference_graphs, threat, block_size=20)
    ascent.alive[:] = True
    climb = ascent.begin()
    weights = torch.rand(climb.block.shape, generator=seeded(0))
    climb.weights = torch.where(climb.block >= 0, weights, 0.0)
    climb.weights[3] = climb.weights[3].clamp(max=1e-7)  # nothing of this block is worth keeping
    again, new_weights = ascent.resampled(climb)
    for number in range(24):
        size = int(ascent.blocks.sizes[number])
        for row in (climb.block[number], again[number]):
            own = row[row >= 0]
            assert len(own.unique()) == len(own) == size
            assert bool((ascent.candidates.graph[own] == number).all())
        before = dict(
            zip(climb.block[number].tolist(), climb.weights[number].tolist(), strict=True)
        )
        after = dict(zip(again[number].tolist(), new_weights[number].tolist(), strict=True))
        kept = sorted(
            (weight for edit, weight in before.items() if edit >= 0 and weight > 1e-6), reverse=True
        )[: size - size // 2]
        assert sorted((w for w in after.values() if w > 1e-6), reverse=True) == kept
        assert all(before[edit] == weight for edit, weight in after.items() if weight > 1e-6)


def test_every_candidate_is_drawn_once_before_any_comes_again(reference_graphs):
    candidates = ThreatModel().enumerate(reference_graphs)
    sizes = candidates.counts.clamp(max=40)
    blocks, graph = Blocks(candidates, sizes, seeded(0)), torch.tensor([2, 5])
    none = torch.full((2, 40), -1)
    rounds = int(candidates.counts[graph].min()) // 40
    assert rounds > 1
    drawn = torch.cat([blocks.filled(graph, none) for _ in range(rounds)], dim=1)
    for row, number in zip(drawn, graph.tolist(), strict=True):
        assert len(row.unique()) == 40 * rounds
        assert bool((candidates.graph[row] == number).all())


@pytest.mark.thorough(only=["20"])
@pytest.mark.parametrize("times", [5, 20])
def test_first_draws_are_uniform(reference_graphs, times):
    graphs = reference_graphs.select(torch.tensor([4]))
    candidates = ThreatModel().enumerate(graphs)
    one, graph = torch.full((1, 1), -1), torch.tensor([0])
    draws, count = seeded(0), len(candidates)
    first = [
        int(Blocks(candidates, torch.tensor([1]), draws).filled(graph, one))
        for _ in range(times * count)
    ]
    seen = torch.bincount(torch.tensor(first), minlength=count).double()
    # Chi-squared has a mean of `count` and a spread of sqrt(2 count): five of them are too many.
    assert float(((seen - times) ** 2 / times).sum()) < count + 5 * (2 * count) ** 0.5


def test_no_set_of_edits_is_asked_about_twice_in_an_ascent(victim, reference_graphs, monkeypatch):
    asked = []
    view = victim.restricted(Access.GRADIENT)
    real = type(view).logits

    def logits(self, graphs):
        asked.extend(
            (int(data.num_nodes), int(data.y), tuple(data.edge_index.flatten().tolist()))
            for data in graphs.to_data_list()
        )
        return real(self, graphs)

    monkeypatch.setattr(type(view), "logits", logits)
    attacked(PRBCD(targets="nearest"), victim, reference_graphs, ThreatModel(2))
    assert len(asked) > 60
    assert len(set(asked)) == len(asked)


def test_a_relaxed_edit_lies_between_none_and_all_of_it(victim, reference_graphs):
    graphs = reference_graphs.select(torch.tensor([4, 13]))
    candidates = ThreatModel(1, ("add", "delete")).enumerate(graphs)
    edits = torch.tensor([3, int((candidates.graph == 1).nonzero()[7])])
    some = candidates.take(edits)

    def losses(weight):
        return victim.relaxed(
            graphs,
            some,
            torch.full((2,), weight),
            lambda logits, index: wrongness("margin", logits, graphs.y[index]),
        )

    whole = apply_all(graphs, [candidates.perturbation(edit.reshape(1)) for edit in edits])
    torch.testing.assert_close(
        losses(0.0)[0], wrongness("margin", victim.logits(graphs), graphs.y), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(
        losses(1.0)[0], wrongness("margin", victim.logits(whole), graphs.y), rtol=1e-4, atol=1e-4
    )
    steps = 1e-2
    slope = (losses(0.5 + steps)[0] - losses(0.5 - steps)[0]) / (2 * steps)
    torch.testing.assert_close(losses(0.5)[1], slope, rtol=0.05, atol=0.05)
