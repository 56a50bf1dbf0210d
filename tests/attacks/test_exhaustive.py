"""Exhaustive search against a loop and against a trained reference model."""

import pytest
import torch
from attacked import attacked

from robust_augcl.attacks.exhaustive import Exhaustive
from robust_augcl.models.margins import margins
from robust_augcl.threat.model import ThreatModel

STRICT = ThreatModel(within_component=True)


def test_exhaustive_search_equals_the_reference(vectors, victim, reference_graphs):
    values = vectors("components")
    candidates = STRICT.enumerate(reference_graphs)
    assert torch.equal(candidates.counts, values["num_candidates"])
    logits = victim.candidate_logits(reference_graphs, candidates)
    wrong = logits.argmax(1) != values["label"][candidates.graph]
    assert torch.equal(
        torch.bincount(candidates.graph[wrong], minlength=24), values["num_breaking"]
    )

    result = attacked(Exhaustive(), victim, reference_graphs, STRICT)
    # At most one edit: where every one would help the victim, none.
    lowest = torch.minimum(values["min_margin"], result.clean_margin.double())
    torch.testing.assert_close(result.attacked_margin.double(), lowest, rtol=1e-4, atol=1e-4)
    helped = values["min_margin"] > result.clean_margin + 1e-4
    assert bool(helped.any())
    assert all(
        edits.num_edits == int(not helps)
        for edits, helps in zip(result.perturbations, helped.tolist(), strict=True)
    )
    # A graph breaks if and only if some candidate breaks it.
    assert torch.equal(result.attacked_prediction != values["label"], values["num_breaking"] > 0)
    assert result.queries == int(values["num_candidates"].sum()) + len(reference_graphs)


def test_exhaustive_search_takes_the_lowest_margin_by_loop(victim, reference_graphs):
    graphs = reference_graphs.select(torch.tensor([9, 17]))
    threat = ThreatModel(operations=("delete",))
    result = attacked(Exhaustive(), victim, graphs, threat)
    for number in range(2):
        data = graphs[number]
        lowest = float("inf")
        for i, j in threat.candidates(data).T.tolist():
            kept = [edge for edge in data.edge_index.T.tolist() if set(edge) != {i, j}]
            edited = data.clone()
            edited.edge_index = torch.tensor(kept).T
            lowest = min(lowest, float(margins(victim.logits([edited]), data.y)))
        clean = float(result.clean_margin[number])
        assert float(result.attacked_margin[number]) == pytest.approx(min(lowest, clean), abs=1e-4)
        assert result.perturbations[number].removed.size(1) == int(lowest < clean)
