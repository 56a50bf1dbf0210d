"""Branch and bound against every set of edits, tried one by one."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from brute_force import OPERATIONS, random_case

from robust_augcl.adversary.victim import Victim
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.models.margins import margins
from robust_augcl.oracle import branches, certifier
from robust_augcl.oracle.branches import search
from robust_augcl.oracle.branches.branch_and_bound import Branches, Limits
from robust_augcl.oracle.branches.contexts import Others
from robust_augcl.oracle.branches.contributions import directions_of
from robust_augcl.oracle.branches.known import known
from robust_augcl.oracle.certificates import certify

PLENTY = 10**9
ROUNDING = 1e-9


def known_case(number, **given):
    return random_case(number, encoder=Structure2Vec, layers=2, features=1, **given)


def searched(case, answer=None, most_evaluations=PLENTY, most_in_all=None, slack=0.0):
    """What branch and bound says of all graphs of a case, which are right when clean."""
    victim = Victim(case.model)

    def predicted(one):
        logits = victim.logits(one)
        return int(logits.argmax(1)) != int(one.y), float(margins(logits, one.y))

    found = known(case.model.local_parts(case.graphs), case.graphs, case.threat.budget)
    search = Branches(
        found,
        answer or predicted,
        case.graphs,
        case.candidates,
        Limits(most_evaluations, slack=slack),
        case.threat.budget,
    )
    every = torch.ones(case.graphs.num_graphs, dtype=torch.bool)
    return search.search(case.budgets, every, most_in_all)


def fewest(found):
    """The edits of the sets that were found, -1 where none were."""
    sizes = (found.sets >= 0).sum(1)
    return torch.where(found.broken, sizes, -1)


def disagrees(case):
    """Whether branch and bound says anything else than brute force."""
    truth, found = case.brute_force(), searched(case)
    return (
        not torch.equal(found.safe, ~truth.broken)
        or not torch.equal(fewest(found), truth.fewest)
        or bool((found.lower > truth.margin + ROUNDING).any())
    )


@pytest.mark.parametrize("operations", OPERATIONS)
@pytest.mark.parametrize("budget", [2, 3, 4])
def test_every_verdict_is_that_of_brute_force(operations, budget):
    safe = broken = 0
    for number in range(20):
        case = known_case(number, operations=operations, budget=budget)
        truth, found = case.brute_force(), searched(case)
        assert torch.equal(found.safe, ~truth.broken), number
        assert torch.equal(fewest(found), truth.fewest), number
        assert (found.lower <= truth.margin + ROUNDING).all(), number
        safe, broken = safe + int(found.safe.sum()), broken + int(found.broken.sum())
    assert safe > 0
    assert broken > 0


@pytest.mark.parametrize("operations", OPERATIONS)
def test_every_breaking_set_is_handed_out_once(operations):
    many = 0
    for number in range(20):
        case = known_case(number, operations=operations, budget=3, graphs=1)
        handed_out = []

        def stands(one, handed_out=handed_out):
            handed_out.append(one.edge_index)
            return False, 0.0

        searched(case, stands)
        sets = case.brute_force().sets[0]
        expected = sorted(
            size
            for size, gaps in zip(sets.sizes.tolist(), sets.gaps, strict=True)
            for gap in gaps.tolist()
            if gap < 0
        )
        # A set of few edits is met again among those of more, and once for each wrong class.
        largest = min(3, len(case.candidates))
        assert len(handed_out) == sum(largest + 1 - size for size in expected)
        many += len(expected)
    assert many > 0


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        ("Others", lambda most, adds, deletes: Others(0, adds, deletes)),  # a forgotten context
        ("directions_of", lambda columns: directions_of(-columns)),  # a wrong sign
    ],
)
def test_a_planted_fault_is_caught(part, fault, monkeypatch):
    cases = [known_case(number, budget=3) for number in range(40)]
    assert not any(map(disagrees, cases[:5]))
    monkeypatch.setattr(search, part, fault)
    assert any(map(disagrees, cases))


def test_what_is_left_open_is_said():
    broken = [number for number in range(40) if searched(known_case(number, budget=4)).broken.any()]
    assert len(broken) >= 5
    for number in broken[:5]:
        case = known_case(number, budget=4)
        found = searched(case, most_evaluations=0)
        truth = case.brute_force()
        assert not found.broken.any()
        assert not (found.safe & truth.broken).any()
        assert (found.lower <= truth.margin + ROUNDING).all()


@pytest.mark.parametrize("most_in_all", [0, 2_500, 40_000])
def test_all_graphs_together_take_no_more_than_is_allowed(most_in_all):
    """A question counts as a thousand evaluations. With this slack each set is asked about."""
    asked, all_of_them, every_set = 0, 0, 1e6
    for number in range(6):
        case, questions = known_case(number, budget=2, graphs=4), []

        def stands(one, questions=questions):
            questions.append(one.edge_index)
            return False, 0.0

        found = searched(case, stands, most_in_all=most_in_all, slack=every_set)
        assert len(questions) == int(found.questions.sum()) <= most_in_all // 1_000
        # The edits of a node are sorted together, those of a first node whatever is allowed.
        sorted_together = int(case.candidates.counts.max()) + 1
        first_nodes = case.graphs.num_graphs * case.model.num_classes * 3
        passed = int(found.evaluations.sum()) - most_in_all
        assert passed <= first_nodes * sorted_together
        asked += len(questions)
        all_of_them += int(searched(case, stands, slack=every_set).questions.sum())
        rest = searched(case, most_in_all=most_in_all)
        assert not (rest.safe & case.brute_force().broken).any()
    assert (asked > 0) == (most_in_all >= 1_000)
    assert asked < all_of_them


def test_a_certificate_holds_what_branch_and_bound_finds():
    beyond = 0
    for number in range(30):
        case = known_case(number, budget=3)
        truth = case.brute_force()
        found = certify(Victim(case.model), case.graphs, case.threat)
        assert torch.equal(found.certified, ~truth.broken), number
        assert bool(found.exhausted.all())
        sizes = [-1 if each is None else each.num_edits for each in found.witnesses]
        assert sizes == truth.fewest.tolist()
        assert (found.lower_margin <= truth.margin + 1e-4).all()
        beyond += int((truth.fewest > 1).sum())
    assert beyond > 0


def test_rounds_that_are_not_what_the_encoder_computes_prove_nothing(monkeypatch):
    case = known_case(0, budget=3)
    rounds = Structure2Vec.relu_rounds
    monkeypatch.setattr(
        Structure2Vec,
        "relu_rounds",
        lambda self, x: [replace(each, offset=each.offset + 1) for each in rounds(self, x)],
    )
    assert known(case.model.local_parts(case.graphs), case.graphs, 3) is None


def test_sets_of_too_many_edits_are_searched_as_those_of_other_classifiers(monkeypatch):
    fewer = 0
    for number in range(10):
        case = known_case(number, budget=3)
        asked = Victim(case.model), case.graphs, case.threat
        settled = certify(*asked).exhausted
        with monkeypatch.context() as patches:
            patches.setattr(certifier, "MOST_EDITS", 2)
            by_sets, found = certify(*asked), certify(*asked, sets=1)
        assert torch.equal(by_sets.certified, ~case.brute_force().broken)
        assert by_sets.exhausted.all()
        assert not (found.certified & case.brute_force().broken).any()
        assert settled.all()
        fewer += int((~found.exhausted).sum())
    assert fewer > 0


def told_by(found):
    return [each.tolist() for each in (found.safe, found.sets, found.lower, found.evaluations)]


def test_uncompiled_one_case_is_the_same_to_the_bit(monkeypatch):
    dispatcher = pytest.importorskip("numba").core.dispatcher.Dispatcher
    case = known_case(0, budget=2)
    compiled, uncompiled = told_by(searched(case)), set()
    for path in Path(str(branches.__file__)).parent.glob("*.py"):
        module = importlib.import_module(f"{branches.__name__}.{path.stem}")
        for name, function in list(vars(module).items()):
            if isinstance(function, dispatcher):
                monkeypatch.setattr(module, name, function.py_func)
                uncompiled.add(name)
    assert uncompiled
    assert told_by(searched(case)) == compiled


_TOLD = """
import json, sys
sys.path.insert(0, {helpers!r})
sys.path.insert(0, {here!r})
from test_branch_and_bound import known_case, searched
found = [searched(known_case(number, budget=3)) for number in range(3)]
told = [[each.tolist() for each in (f.safe, f.sets, f.lower, f.evaluations)] for f in found]
print(json.dumps(told))
"""


@pytest.mark.thorough
def test_uncompiled_it_says_the_same_to_the_bit():
    here = Path(__file__).parent
    code = _TOLD.format(helpers=str(here.parent / "helpers"), here=str(here))
    told = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", code],
                env=os.environ | {"NUMBA_DISABLE_JIT": disabled},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for disabled in ("0", "1")
    ]
    assert told[0] == told[1]


def test_evaluations_of_all_sizes_of_sets_together_are_no_more_than_is_allowed():
    """Each size by itself may take as many as one graph may, but all sizes have one total."""
    most_in_all, cut_short = 500, 0
    for number in range(40):
        case = known_case(number, budget=6, graphs=1)
        found = searched(case, most_in_all=most_in_all)
        # The edits of a node are sorted together, those of a first node whatever is allowed.
        first_nodes = (case.model.num_classes - 1) * case.threat.budget
        sorted_together = int(case.candidates.counts.max())
        passed = int(found.evaluations.sum()) - most_in_all
        assert passed <= (first_nodes + 1) * sorted_together, number
        cut_short += int(searched(case).evaluations.sum()) > 2 * most_in_all
    assert cut_short > 0


def test_no_lower_margin_is_above_that_of_the_clean_graph():
    """Also where it is below the slack, and all edits leave more than it."""
    closer = 0
    for number in range(40):
        case = random_case(number, encoder=Structure2Vec, layers=2, features=1, budget=2)
        with torch.no_grad():
            for parameter in case.model.head[-1].parameters():
                parameter.mul_(3e-4)
        victim = Victim(case.model)
        graphs = case.graphs.with_labels(victim.logits(case.graphs).argmax(1))
        found = certify(victim, graphs, case.threat)
        clean = margins(victim.logits(graphs), graphs.y)
        lower = found.lower_margin.masked_fill(~found.certified, -torch.inf)
        assert (lower <= clean + 1e-8).all(), number
        closer += int((lower > clean - 1e-8).sum())
    assert closer > 0
