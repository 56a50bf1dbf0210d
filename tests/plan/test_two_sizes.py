"""`quick` is a first impression of `standard`: fewer graphs under fewer attacks."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from robust_augcl.adversary.attack_base import CombiningAttack
from robust_augcl.plan.planner import plan
from robust_augcl.plan.step import Step, with_inputs
from robust_augcl.plan.suite import load_suite
from robust_augcl.plan.suite_settings import Suite

PUBLISHED = {"rand_sampling", "grad_argmax", "rl_s2v"}
AS_LARGE = "dataset.graphs_per_class=500"


def addresses(name: str, *overrides: str) -> dict[str, Step]:
    """All steps of a suite by their addresses, inputs included."""
    return {step.key: step for step in with_inputs(plan(load_suite(name, overrides)).steps)}


def kinds(steps: dict[str, Step]) -> Counter[str]:
    return Counter(step.kind for step in steps.values())


@pytest.fixture(scope="module")
def quick() -> Suite:
    return load_suite("quick")


@pytest.fixture(scope="module")
def standard() -> Suite:
    return load_suite("standard")


def test_standard_has_the_settings_and_comparisons_of_quick(quick, standard):
    differ = {
        field.name
        for field in dataclasses.fields(Suite)
        if field.compare and getattr(quick, field.name) != getattr(standard, field.name)
    }
    assert differ == {"name", "title", "source", "budgets", "attacks", "certificates"}
    assert dataclasses.replace(quick.source, graphs_per_class=500) == standard.source


def test_standard_holds_every_attack_and_certificate_of_quick(quick, standard):
    large = {attack.label: attack for attack in standard.attacks}
    for attack in quick.attacks:
        same = large[attack.label]
        assert set(attack.budgets) <= set(same.budgets)
        if isinstance(attack.what, CombiningAttack):
            assert set(attack.what.of) < set(same.what.of)
        elif attack.label == "rl_s2v":
            other = {"steps": 350, "batch_size": 50, "evaluate_every": 35}
            assert dataclasses.replace(attack.what, **other) == same.what
        else:
            assert attack.what == same.what
    assert set(quick.certificates.budgets) < set(standard.certificates.budgets)


def test_certificates_of_both_differ_by_the_sets_of_edits_that_are_searched(quick, standard):
    less, more = quick.certificates, standard.certificates
    assert (less.pairs, less.sets, less.evaluations) == (1, 1, 0)
    assert min(more.pairs, more.sets, more.evaluations) > 10_000
    limits = [f"certificates.{each}" for each in ("pairs=1", "sets=1", "evaluations=0")]
    small, large = addresses("quick", AS_LARGE), addresses("standard", *limits)
    shared = kinds({key: small[key] for key in small.keys() & large.keys()})
    # Parts are of all budgets that a suite certifies against.
    assert (shared["certificate"], shared["certificate_part"]) == (18, 0)


def test_quick_has_the_published_attacks_the_exact_worst_case_and_a_bracket(quick):
    exact = [attack for attack in quick.attacks if attack.what.exact]
    assert [attack.budgets for attack in exact] == [(1,)]
    (worst,) = [attack for attack in quick.attacks if isinstance(attack.what, CombiningAttack)]
    assert set(worst.what.of) == PUBLISHED
    assert {attack.label for attack in quick.attacks} == PUBLISHED | {
        exact[0].label,
        worst.label,
    }
    assert all(1 in attack.budgets for attack in quick.attacks)
    # Proved from below and broken from above: of more edits than the exact search tries.
    assert set(quick.certificates.budgets) == set(worst.budgets) == {1, 3}


def test_with_as_many_graphs_steps_of_both_have_the_same_addresses():
    small, large = addresses("quick", AS_LARGE), addresses("standard")
    shared = kinds({key: small[key] for key in small.keys() & large.keys()})
    assert shared == {"dataset": 3, "warm_up": 3, "pretraining": 6, "victim": 9}
    # Attacks carry the suite's name, RL-S2V has other batches, and certificates of `quick` may
    # evaluate fewer sets.
    assert kinds({key: small[key] for key in small.keys() - large.keys()}) == {
        "attacker": 9,
        "attack": 72,
        "certificate": 18,
        "certificate_part": 72,  # of three edits
    }
    assert {"certificate_part", "attack_search"} <= set(kinds(large))


def test_attacks_of_both_have_the_same_addresses_but_for_the_name_and_rl_s2v():
    small, large = addresses("quick", AS_LARGE), addresses("standard", "name=quick")
    attacks = [key for key in small.keys() - large.keys() if small[key].kind == "attack"]
    other = [small[key].cell.attack for key in attacks]
    assert Counter(other) == {"rl_s2v": 9, "worst_case": 18}  # it combines fewer


def test_other_victims_have_other_addresses():
    """Else the tests above could not fail."""
    small, large = addresses("quick", AS_LARGE, "training.epochs=7"), addresses("standard")
    assert kinds({key: small[key] for key in small.keys() & large.keys()}) == {
        "dataset": 3,
        "warm_up": 3,
        "pretraining": 6,
    }


def test_fewer_graphs_share_nothing():
    assert not addresses("quick").keys() & addresses("standard").keys()
