"""What replay finds again of targets, beside what their certificate found among others."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from brute_force import random_case

from robust_augcl.adversary.victim import Victim
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.targets import Targets
from robust_augcl.oracle.certificates import certify
from robust_augcl.review import again
from robust_augcl.review.subject import Subject
from robust_augcl.threat.model import ThreatModel


def mixed_graphs(number):
    """A classifier and graphs, the nodes of the first of which all have the same features."""
    case = random_case(
        number, encoder=Structure2Vec, layers=2, features=2, operations=("add",), graphs=6
    )
    x = case.graphs.x.clone()
    x[: case.graphs.ptr[3]] = x[0]
    graphs = case.graphs.with_features(x)
    return case.model, graphs.with_labels(case.model(graphs).argmax(1))


def test_a_few_graphs_are_searched_as_among_all_others(monkeypatch):
    """Of a few with the same features branch and bound knows the classifier, of all it does not."""
    monkeypatch.setattr(again, "MOST_PAIRS", 4)  # so that graphs of few pairs are searched alone
    threat, compared = ThreatModel(3), 0
    for number in range(12):
        model, graphs = mixed_graphs(number)
        victim = Victim(model)
        dataset = SimpleNamespace(
            attacked=torch.arange(len(graphs)),
            part=graphs.select,
            targets_at=lambda numbers, y=graphs.y: Targets(numbers, None, y[numbers]),
        )
        told = certify(victim, graphs, threat)
        found = Subject(dataset, victim, "none").again(threat)
        found.ask(told.certified)
        same = told.certified & found.searched
        compared += int(same.sum())
        torch.testing.assert_close(
            found.lower[same], told.lower_margin[same].double(), atol=1e-5, rtol=0
        )
    assert compared > 0
