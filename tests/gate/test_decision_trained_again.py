"""Decisions on models that were trained again, and on what cannot be compared."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gate_decisions import SEEDS, why

from robust_augcl.gate import self_test
from robust_augcl.gate.decision import decide
from robust_augcl.gate.questions import Rules
from robust_augcl.gate.rendering import FORMS
from robust_augcl.gate.self_test import Chance, Truth, made_up
from robust_augcl.results.baseline import Baseline

# --- not comparable -------------------------------------------------------------------------------


def test_a_fixed_model_on_other_graphs_is_not_comparable(base):
    data = [replace(each, digest="0" * 64) for each in base.data]
    found = decide(base, replace(base, data=data))
    assert found.outcome == "not comparable"
    assert "other graphs of seed 0" in why(found)
    assert "the weights are the same" in why(found)


def test_other_graphs_by_other_settings_are_not_comparable(base):
    other = replace(made_up(range(20, 28), Truth(), "again"), source="0" * 64)
    found = decide(base, other)
    assert (found.outcome, "another source" in why(found)) == ("not comparable", True)


def test_another_threat_is_named_where_models_were_trained_again(base):
    other = self_test.another_threat(made_up(SEEDS, Truth(), "again"))
    found = decide(base, other)
    assert found.outcome == "not comparable"
    assert "`operations` was ['add'], now ['add', 'delete']" in why(found)


def test_two_seeds_say_first_that_they_cannot_tell():
    """An interval that leaves no drop out is no finding: it is not printed."""
    truth = replace(Truth(), spread=0.05)
    found = decide(made_up(range(2), truth), made_up(range(2), truth, "again"))
    (worst,) = (a for a in found.answers if a.decides and a.regime == "trained again")
    assert (worst.low, worst.high) == (-1.0, 1.0)
    assert worst.why.startswith("2 paired seeds cannot tell: the mean ")
    assert "leaves no change out; by the spread of these seeds, " in worst.why
    assert f"about {worst.seeds_needed:,} seeds a side would tell" in worst.why
    for form in ("text", "markdown", "junit", "github"):
        assert "100.0" not in FORMS[form](found)
    more = decide(made_up(range(4), truth), made_up(range(4), truth, "again"))
    (of_more,) = (a for a in more.answers if a.decides and a.regime == "trained again")
    assert "cannot tell" not in of_more.why
    assert " to " in of_more.why


def test_seeds_that_are_gone_are_not_comparable_where_the_weights_are_the_same(base):
    """A bug in what is left out would pass."""
    fewer = made_up(range(2), Truth())
    found = decide(base, fewer)
    assert found.outcome == "not comparable"
    assert "lack 6 seeds of the baseline: 2, 3, 4, 5, 6 and 1 more" in why(found)
    overlapping = decide(base, made_up(range(7, 15), Truth()))
    assert overlapping.outcome == "not comparable"
    more = decide(fewer, base)
    assert more.outcome == "holds"
    assert any("2 shared seeds count" in note for note in more.notes)


def test_a_method_that_is_gone_is_not_comparable_and_a_new_one_is_noted(base):
    victims = [
        replace(victim, method="other", traits=replace(victim.traits, name="Other"))
        for victim in base.victims
    ]
    other = replace(base, victims=victims)
    found = decide(base, other)
    assert found.outcome == "not comparable"
    assert "the new results lack it" in why(found)
    assert any("nothing to compare it with: Other," in note for note in found.notes)


# --- trained again --------------------------------------------------------------------------------


def test_the_same_seeds_are_paired_and_others_are_not(base):
    paired = decide(base, made_up(SEEDS, Truth(), "again"))
    assert "over 8 paired seeds" in paired.answers[0].why
    unpaired = decide(base, made_up(range(5, 13), Truth(), "again"))
    assert "8 unpaired seeds" in unpaired.answers[0].why
    fewer = decide(base, made_up(range(5), Truth(), "again"))
    assert "over 5 paired seeds" in " ".join(a.why for a in fewer.answers)
    assert any("5 shared seeds" in note for note in fewer.notes)


def test_the_primary_alone_keeps_the_gate_from_holding(base):
    """All else is corrected, and can find regressions."""
    found = decide(base, made_up(SEEDS, Truth(robust=0.68), "again"))
    deciding = [a for a in found.answers if a.decides and a.regime == "trained again"]
    assert [a.about for a in deciding] == [
        "A method, gin, 2 layers, made up: exact worst case, 1 edit"
    ]
    assert found.outcome == "holds"
    narrow = Truth(clean=0.895, robust=0.68)  # of clean accuracy nothing can be told
    found = decide(base, made_up(SEEDS, narrow, "again"), Rules(tolerance=0.005))
    assert found.outcome == "holds"
    open_still = found.of("cannot tell")
    assert "clean accuracy" in open_still[0].about
    assert not any(a.decides for a in open_still)
    clumsy = decide(base, made_up(SEEDS, Truth(clean=0.75, robust=0.64), "again"))
    assert clumsy.outcome == "regressed"
    assert "clean accuracy" in why(clumsy)


def test_the_tolerance_is_the_suite_s_margin_unless_it_is_named(base):
    assert decide(base, base).rules.tolerance == 0.02
    assert decide(replace(base, margin=0.05), base).rules.tolerance == 0.05
    assert decide(replace(base, margin=0.05), base, Rules(0.3)).rules.tolerance == 0.3
    with pytest.raises(ValueError, match="tolerance"):
        decide(replace(base, margin=0.0), base)  # no suite states it, and no file holds it
    worse = made_up(SEEDS, Truth(robust=0.5), "again")
    assert decide(base, worse).outcome == "regressed"
    assert decide(base, worse, Rules(0.3)).outcome == "holds"


def two_methods(training: str = "", robust: float = 0.6) -> Baseline:
    """Methods "a" and "b"; those of "b" are as robust as said."""
    one = made_up(SEEDS, Truth(), training)
    other = made_up(SEEDS, Truth(robust=robust), training, chance=Chance(1))
    count = len(one.victims)
    victims = [replace(v, method="a", traits=replace(v.traits, name="a")) for v in one.victims]
    victims += [replace(v, method="b", traits=replace(v.traits, name="b")) for v in other.victims]
    attacked = [*one.attacked, *(replace(r, victim=r.victim + count) for r in other.attacked)]
    worst = [*one.worst, *(replace(w, victim=w.victim + count) for w in other.worst)]
    return replace(one, victims=victims, attacked=attacked, worst=worst)


def test_the_primary_comparison_is_that_of_the_method_that_is_named():
    base, new = two_methods(), two_methods("again")

    def method(rules: Rules | None = None, primary: list[str] | None = None) -> str:
        found = decide(replace(base, primary=primary or []), new, rules)
        (one,) = [a for a in found.answers if a.decides and a.regime == "trained again"]
        return one.about[0]

    assert method() == "b"
    assert method(primary=["a", "b"]) == "a"
    assert method(Rules(method="b"), ["a", "b"]) == "b"
    with pytest.raises(ValueError, match=r"one of \['a', 'b'\]"):
        method(Rules(method="c"))


def test_a_method_besides_that_regressed_is_found():
    found = decide(two_methods(), two_methods("again", 0.45), Rules(method="a"))
    assert found.outcome == "regressed"
    assert why(found).startswith("b, ")


def test_unknown_sharing_of_graphs_cannot_tell(base):
    new = made_up(SEEDS, Truth(), "again")
    data = [replace(each, draws_graphs=None) for each in new.data]
    found = decide(base, replace(new, data=data))
    assert found.outcome == "cannot tell"
    assert "nobody knows whether its seeds share graphs" in why(found)


def test_one_model_a_side_says_nothing_of_the_training():
    base = made_up([0], Truth(spread=0), targets=400)
    worse = made_up([0], Truth(robust=0.4, spread=0), "again", targets=400)
    found = decide(base, worse)
    assert found.outcome == "cannot tell"
    assert "says nothing of the training" in why(found)
    assert decide(base, worse, Rules(one_model=True)).outcome == "regressed"
    better = made_up([0], Truth(robust=0.75, spread=0), "again", targets=400)
    judged = decide(base, better, Rules(one_model=True))
    assert judged.outcome == "holds"
    assert judged.improved
    near = made_up([0], Truth(spread=0), "again", targets=400)
    assert decide(base, near, Rules(one_model=True)).outcome == "cannot tell"


@pytest.mark.parametrize("tolerance", [0.0, 1.0, -0.1])
def test_a_tolerance_out_of_range_is_refused(tolerance):
    with pytest.raises(ValueError, match="tolerance"):
        Rules(tolerance)
