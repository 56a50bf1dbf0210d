"""Each rule of attacks is broken once, and the kit finds it; a sound attack passes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from faulty_attacks import (
    AsksAhead,
    Bare,
    Combines,
    DrawsInTurn,
    Forgets,
    Grows,
    Invents,
    Lambda,
    Learns,
    LooksAhead,
    Odd,
    OwnForOne,
    Picky,
    Sound,
    Thawed,
    Thorough,
    adds_only,
    asks,
    by_company,
    by_numpy,
    by_torch,
    ends,
    needs_a_candidate,
    raises,
    too_many,
    variant,
    whole_graphs_only,
    writes,
)
from generators import seeded

from robust_augcl.testing import ATTACK_RULES, ContractBroken, check_attack

FAULTS: list[tuple[str, Any, str]] = [
    ("base", 3, "it is no instance of Attack"),
    ("settings", Thawed, "its dataclass is not frozen"),
    ("settings", Bare(), "its class is no dataclass of its own"),
    ("suite", Odd(), "written in a suite"),
    ("pickle", Lambda(), "comes back from a pickle as another one"),
    ("revision", lambda: variant(revision=0), "its `revision` is 0"),
    ("declared", lambda: variant(access="query"), "its `access` is 'query', no Access"),
    ("declared", lambda: variant(effort="steps"), "none of its settings"),
    ("declared", lambda: variant(max_budget=0), "its `max_budget` is 0"),
    ("declared", lambda: variant(exact=1), "its `exact` is 1"),
    ("declared", lambda: variant(paper={"no": 1}), "its `paper` sets"),
    ("declared", lambda: variant(encoders=("gon",)), "its `encoders` name 'gon'"),
    ("declared", lambda: variant(display_name="a\nb"), "no short line of text"),
    ("scale", lambda: variant(brief=lambda self: Sound()), "`brief()` returns"),
    ("runs", lambda: variant(raises), "it raised ValueError: no such thing"),
    ("runs", lambda: variant(ends), "it raised SystemExit: 3"),
    ("access", lambda: variant(asks), "asked for logits"),
    ("inputs", lambda: variant(writes), "changed the attacked graphs"),
    ("threat", lambda: variant(too_many), "edits, its budget is"),
    ("threat", lambda: variant(lambda *_: ()), "Expected a list of perturbations"),
    ("threat", lambda: variant(adds_only), "=('add', 'delete'), within_component=False"),
    ("threat", lambda: variant(adds_only), "it raised KeyError: 'delete'"),
    ("nodes", lambda: variant(whole_graphs_only), "AssertionError"),
    ("nothing to edit", lambda: variant(needs_a_candidate), "Error"),
    ("chance", lambda: variant(by_torch), "gives other edits"),
    ("chance", lambda: variant(by_numpy), "gives other edits"),
    ("one by one", lambda: variant(by_company), "alone"),
    ("exact", lambda: variant(exact=True, max_budget=1), "standing, though an edit gives"),
    ("learning", Forgets(), "it proposes other edits"),
    ("combining", Invents(), "edits that none of the others found"),
    ("combining", Picky(), "its field `of` is not ()"),
    ("growing", LooksAhead(), "answers budget 1 among 3 budgets with other edits than 1 alone"),
    ("growing", AsksAhead(), "questions for budget 1 among 3 budgets"),
    ("growing", DrawsInTurn(), "among 3 budgets with other edits"),
    ("growing", OwnForOne(), "asks 5 questions for budget 1 among 3 budgets, 0 for it alone"),
]


@pytest.mark.thorough(only=["combining, 30", "growing, 32", "growing, 33", "growing, 34"])
@pytest.mark.parametrize(
    ("rule", "attack", "words"), FAULTS, ids=[f"{f[0]}, {n}" for n, f in enumerate(FAULTS)]
)
def test_a_planted_fault_is_found(rule, attack, words):
    if callable(attack) and not isinstance(attack, type):
        attack = attack()
    with pytest.raises(ContractBroken) as caught:
        check_attack(attack)
    assert (caught.value.rule, words in caught.value.seen) == (rule, True), str(caught.value)
    assert str(caught.value).endswith(".")


def test_every_rule_is_broken_once():
    assert {rule for rule, _, _ in FAULTS} == {rule.name for rule in ATTACK_RULES}


@pytest.mark.thorough(but=["Sound", "attack1"])
@pytest.mark.parametrize(
    "attack", [Sound, Sound(times=3), Learns(), Combines(), Thorough(), Grows()]
)
def test_a_sound_attack_passes(attack):
    check_attack(attack)


def test_rules_can_be_left_out_by_name():
    check_attack(variant(by_torch), skip=["chance", "one by one"])
    with pytest.raises(ValueError, match="Expected `skip` to name rules"):
        check_attack(Sound, skip=["chances"])


def test_global_chance_is_as_it_was_afterwards():
    before, drawn = torch.get_rng_state(), seeded(0).get_state()
    check_attack(Sound)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(seeded(0).get_state(), drawn)
