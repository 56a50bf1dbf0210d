"""What replay finds again of targets, beside what their certificate found among others."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from brute_force import random_case

from robust_augcl.adversary.victim import Victim
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.targets import Targets
from robust_augcl.oracle import certifier
from robust_augcl.oracle.certificates import certify
from robust_augcl.oracle.certifier import MostTried
from robust_augcl.results.measurements import StoredCertificate
from robust_augcl.review import again, certificate_proof
from robust_augcl.review.certificate_proof import check_certificate
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


def subject_of(victim, graphs):
    """Test graphs and a victim as replay holds them."""
    dataset = SimpleNamespace(
        attacked=torch.arange(len(graphs)),
        part=graphs.select,
        targets_at=lambda numbers: Targets(numbers, None, graphs.y[numbers]),
    )
    return Subject(dataset, victim, "none")


def again_of(victim, graphs, threat):
    """What replay finds of test graphs, before it is asked."""
    return subject_of(victim, graphs).again(threat)


def test_a_few_graphs_are_searched_as_among_all_others(monkeypatch):
    """Of a few with the same features branch and bound knows the classifier, of all it does not."""
    monkeypatch.setattr(again, "MOST_PAIRS", 4)  # so that graphs of few pairs are searched alone
    threat, compared = ThreatModel(3), 0
    for number in range(12):
        model, graphs = mixed_graphs(number)
        victim = Victim(model)
        told = certify(victim, graphs, threat)
        found = again_of(victim, graphs, threat)
        found.ask(told.certified)
        same = told.certified & found.searched
        compared += int(same.sum())
        torch.testing.assert_close(
            found.lower[same], told.lower_margin[same].double(), atol=1e-5, rtol=0
        )
    assert compared > 0


def test_a_search_is_made_again_for_as_long_as_is_asked_for_and_allowed(monkeypatch):
    longer = 0
    for number in range(12):
        case = random_case(
            number,
            encoder=Structure2Vec,
            layers=2,
            features=1,
            operations=("add", "delete"),
            budget=3,
        )
        victim, graphs, threat = Victim(case.model), case.graphs, case.threat
        asked = certify(victim, graphs, threat).certified
        found = again_of(victim, graphs, threat)
        found.ask(asked, 1)
        little = found.searched.clone()
        found.ask(asked, 10**6)
        assert torch.equal(found.proved, asked)
        with monkeypatch.context() as patches:
            patches.setattr(again, "MOST_EVALUATIONS", 1)
            capped = again_of(victim, graphs, threat)
            capped.ask(asked, 10**6)
        assert not (capped.searched & ~little).any()
        longer += int((found.searched & ~little).sum())
    assert longer > 0


def tiny_margins(number):
    """A victim whose margins are all within rounding of a break, and graphs that it has right."""
    case = random_case(number, encoder=Structure2Vec, layers=2, features=1, budget=4, graphs=4)
    with torch.no_grad():
        for parameter in case.model.head[-1].parameters():
            parameter.mul_(1e-7)
    victim = Victim(case.model)
    return victim, case.graphs.with_labels(victim.logits(case.graphs).argmax(1)), case.threat


def questions_about(victim, graphs, threat, monkeypatch):
    """How many sets of edits, one by one, the victim is asked about in the search."""
    asked, answer = [], victim.logits

    def counted(some):
        if isinstance(some, PackedGraphs) and some.num_graphs == 1:
            asked.append(some)
        return answer(some)

    found = again_of(victim, graphs, threat)
    with monkeypatch.context() as patches:
        patches.setattr(victim, "logits", counted)
        found.ask(torch.ones(graphs.num_graphs, dtype=torch.bool), 10**9)
    return len(asked)


def test_a_victim_whose_margins_are_all_tiny_is_asked_no_more_than_is_allowed(monkeypatch):
    """Else a forged one could keep replay busy for hours."""
    asked = {1_000: 0, 20_000: 0, 100_000: 0}
    for number in range(3):
        case = tiny_margins(number)
        for most in asked:
            monkeypatch.setattr(again, "MOST_EVALUATIONS", most)
            questions = questions_about(*case, monkeypatch)
            assert questions <= most // 1_000
            asked[most] += questions
    assert 0 < asked[1_000] < asked[20_000] < asked[100_000]


def stored_as(found):
    """A certificate as a run stores it."""
    return StoredCertificate(
        graphs=list(range(len(found.witnesses))),
        certified=found.certified.tolist(),
        settled=found.exhausted.tolist(),
        lower_margin=[
            round(margin, 6) if math.isfinite(margin) else None
            for margin in found.lower_margin.tolist()
        ],
        witnesses=[
            None if each is None else [each.added.T.tolist(), each.removed.T.tolist()]
            for each in found.witnesses
        ],
        threat={},
        dataset="",
        victim="",
    )


def test_what_was_certified_without_branch_and_bound_holds_by_it():
    """The search of all sets says of most of them that they leave more than the slack, no more."""
    otherwise = 0
    for number in range(12):
        case = random_case(
            number,
            encoder=Structure2Vec,
            layers=2,
            features=1,
            budget=3,
            graphs=3,
            operations=("add", "delete"),
        )
        victim = Victim(case.model)
        graphs = case.graphs.with_labels(victim.logits(case.graphs).argmax(1))
        found = certify(victim, graphs, case.threat, limit=1, evaluations=0)
        stored = stored_as(found)
        limits = MostTried(pairs=1, evaluations=0, sets=200_000)
        proof = check_certificate(stored, subject_of(victim, graphs), case.threat, limits)
        assert proof.problems == [], number
        by_branches = certify(victim, graphs, case.threat).lower_margin.double()
        differs = (by_branches - found.lower_margin.double()).abs() > 0.01
        otherwise += int((found.certified & differs).sum())
    assert otherwise > 0


def test_pairs_are_searched_again_as_often_as_their_own_limit_allows(monkeypatch):
    """A certificate of two edits may have made more evaluations than `evaluations` says."""
    monkeypatch.setattr(certificate_proof, "LEAST_EVALUATIONS", 5)
    by_pairs = 0
    for number in range(40):
        case = random_case(number, encoder=Structure2Vec, layers=2, features=1, budget=2, graphs=5)
        victim = Victim(case.model)
        graphs = case.graphs.with_labels(victim.logits(case.graphs).argmax(1))
        found = certify(victim, graphs, case.threat, limit=2_000, evaluations=5)
        limits = MostTried(pairs=2_000, evaluations=5, sets=1)
        proof = check_certificate(stored_as(found), subject_of(victim, graphs), case.threat, limits)
        assert proof.problems == []
        assert "on trust" not in proof.proved, number
        fewer = certify(victim, graphs, case.threat, limit=1, evaluations=5)
        by_pairs += int((found.certified & ~fewer.certified).sum())
    assert by_pairs > 0


def test_what_is_open_does_not_use_up_what_proves_claims(monkeypatch):
    """Records of exact attacks ask about all that stands, before any certificate is looked at."""
    monkeypatch.setattr(again, "MOST_EVALUATIONS", 100_000)
    victim, graphs, threat = tiny_margins(0)
    every = torch.ones(graphs.num_graphs, dtype=torch.bool)
    found = again_of(victim, graphs, threat)
    found.ask(every, 10**9, claimed=False)
    first = found.searched.clone()
    found.ask(every, 10**9)
    alone = again_of(victim, graphs, threat)
    alone.ask(every, 10**9)
    assert not first.all()
    assert torch.equal(found.searched, alone.searched)
    assert (found.searched & ~first).any()


@pytest.mark.parametrize("evaluations", [0, 2_000_000])
def test_a_record_that_is_proved_first_changes_no_lower_margin(evaluations):
    """An exact attack's record asks for branch and bound; a certificate may rest on the bound."""
    by_bound = 0
    for number in range(8):
        case = random_case(
            number, encoder=Structure2Vec, layers=2, features=1, operations=("add",), budget=3
        )
        victim, graphs, threat = Victim(case.model), case.graphs, case.threat
        found = certify(victim, graphs, threat, evaluations=evaluations)
        subject = subject_of(victim, graphs)
        subject.again(threat).ask(torch.ones(graphs.num_graphs, dtype=torch.bool), claimed=False)
        limits = MostTried(pairs=2_000_000, evaluations=evaluations, sets=200_000)
        proof = check_certificate(stored_as(found), subject, threat, limits)
        assert proof.problems == [], number
        by_bound += int((found.certified & (found.lower_margin > 0.01)).sum())
    assert by_bound > 0


def test_portions_of_different_features_are_searched_each_by_itself():
    """Of each the classifier is known, of all together it is not."""
    with using(Limits(portion_graphs=2)):
        for number in range(8):
            model, graphs = mixed_graphs(number)
            x = graphs.x.clone()
            for first in (0, 2, 4):
                x[graphs.ptr[first] : graphs.ptr[first + 2]] = x[graphs.ptr[first]]
            graphs = graphs.with_features(x)
            graphs = graphs.with_labels(model(graphs).argmax(1))
            victim, threat = Victim(model), ThreatModel(3)
            found = certify(victim, graphs, threat)
            limits = MostTried(pairs=2_000_000, evaluations=2_000_000, sets=200_000)
            proof = check_certificate(stored_as(found), subject_of(victim, graphs), threat, limits)
            assert proof.problems == [], number
            assert "on trust" not in proof.proved


def proved_at_once(*, before):
    """How many open targets are shown to be provable at once, perhaps after a record's search."""
    case = random_case(0, encoder=Structure2Vec, layers=2, features=1, budget=3, graphs=6)
    found = again_of(Victim(case.model), case.graphs, case.threat)
    every = torch.ones(case.graphs.num_graphs, dtype=torch.bool)
    if before:
        found.ask(every, claimed=False)
    return int(found.proved_at_once(every).sum())


def test_what_records_leave_open_does_not_use_up_what_shows_that_a_certificate_does(monkeypatch):
    """Else one record that leaves hard targets standing would let a forger call all others open."""
    monkeypatch.setattr(again, "MOST_EVALUATIONS", 5_000)
    assert proved_at_once(before=True) == proved_at_once(before=False) > 0


def test_a_certificate_is_open_where_another_machine_rounds_its_bound_down(monkeypatch):
    """The bound is a hair above the slack here, and a hair below it there."""
    case = random_case(0, encoder=Structure2Vec, layers=2, features=1, budget=3, graphs=1)
    victim, threat = Victim(case.model), case.threat
    (bound,) = certify(victim, case.graphs, threat).lower_margin.tolist()
    assert bound > 0.01
    limits = MostTried(pairs=1, evaluations=1, sets=1)

    def problems(slack):
        with monkeypatch.context() as patches:
            patches.setattr(certifier, "SLACK", slack)
            found = certify(victim, case.graphs, threat, limit=1, evaluations=1)
        assert not found.certified.any()
        subject = subject_of(victim, case.graphs)
        return check_certificate(stored_as(found), subject, threat, limits).problems

    for module in (certifier, again):
        monkeypatch.setattr(module, "SLACK", bound * (1 - 1e-9))
    assert problems(bound * (1 + 1e-9)) == []
    for module in (certifier, again):
        monkeypatch.setattr(module, "SLACK", bound / 2)
    (problem,) = problems(bound * (1 + 1e-9))
    assert problem == "the claim that it is open, which the bound proves, does not hold for graph 0"
