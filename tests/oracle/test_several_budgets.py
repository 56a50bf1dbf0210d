"""Certificates of several budgets at once are those of each budget alone, in less time."""

from __future__ import annotations

import pytest
from brute_force import OPERATIONS, random_case

from robust_augcl.adversary.victim import Victim
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.oracle.certificates import certify, certify_each
from robust_augcl.oracle.certifier import MostTried
from robust_augcl.oracle.worst_edits import changing_candidates
from robust_augcl.threat.model import ThreatModel


def columns(found):
    """All that a certificate says, but for what it took."""
    return (
        found.certified.tolist(),
        found.exhausted.tolist(),
        found.lower_margin.tolist(),
        [
            witness and (witness.added.tolist(), witness.removed.tolist())
            for witness in found.witnesses
        ],
    )


@pytest.mark.parametrize("encoder", [Structure2Vec, GIN])
@pytest.mark.parametrize("operations", OPERATIONS)
def test_certificates_of_several_budgets_are_those_of_each_alone(encoder, operations):
    """Also where limits end a search, of which a smaller budget has made a part."""
    limited = broken = 0
    for number in range(12):
        case = random_case(
            number, encoder=encoder, layers=2, features=1, operations=operations, graphs=4
        )
        victim = Victim(case.model)
        graphs = case.graphs.with_labels(victim.logits(case.graphs).argmax(1))
        budgets = [2, 3, 4, 0.4] if number % 2 else [1, 4, 2]
        threats = [ThreatModel(budget, operations) for budget in budgets]
        for most in (MostTried(1, 1, 1), MostTried(10, 200, 500), MostTried(10, 10**6, 10**4)):
            together = certify_each(victim, graphs, threats, most)
            for threat, found in zip(threats, together, strict=True):
                alone = certify(
                    victim,
                    graphs,
                    threat,
                    limit=most.pairs,
                    evaluations=most.evaluations,
                    sets=most.sets,
                )
                assert columns(found) == columns(alone)
                limited += int((~found.exhausted).sum())
                broken += sum(witness is not None for witness in found.witnesses)
    assert min(limited, broken) > 0


def test_several_budgets_take_fewer_questions_than_each_alone():
    alone = together = 0
    threats = [ThreatModel(budget, ("add", "delete")) for budget in (2, 3, 4)]
    for number in range(10):
        case = random_case(number, encoder=Structure2Vec, layers=2, features=1, graphs=6)
        victim = Victim(case.model)
        graphs = case.graphs.with_labels(victim.logits(case.graphs).argmax(1))
        alone += sum(int(certify(victim, graphs, threat).cost.sum()) for threat in threats)
        most = MostTried(2_000_000, 2_000_000, 200_000)
        found = certify_each(victim, graphs, threats, most)
        together += sum(int(each.cost.sum()) for each in found)
    assert 0 < together < alone


def test_threats_that_differ_in_more_than_their_budget_are_refused():
    case = random_case(0, encoder=Structure2Vec, layers=2, features=1)
    threats = [ThreatModel(2), ThreatModel(3, ("add", "delete"))]
    with pytest.raises(ValueError, match="differ in their budget alone"):
        certify_each(Victim(case.model), case.graphs, threats, MostTried(1, 1, 1))


def test_a_size_is_not_set_up_that_its_limit_lets_nobody_search():
    """To sort the edits takes all that is allowed. So replay proves large sets at once sooner."""
    smaller = 0
    for number in range(6):
        case = random_case(number, encoder=Structure2Vec, layers=2, features=1, graphs=3)
        victim, threat = Victim(case.model), ThreatModel(5, case.threat.operations)
        graphs = case.graphs.with_labels(victim.logits(case.graphs).argmax(1))
        size = changing_candidates(threat.enumerate(graphs))
        cost = certify(victim, graphs, threat, limit=1, evaluations=1).cost
        enough = size * size.clamp(max=5) ** 4 // 3 + size * (size > 0) * 2
        assert (cost <= enough).all()
        smaller += int(((cost > 0) & (size > 2)).sum())
    assert smaller > 0
