"""Outcomes of planted changes, and of the same weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gate_decisions import why

from robust_augcl.gate import self_test
from robust_augcl.gate.decision import decide
from robust_augcl.gate.questions import EXIT_CODES, Gate
from robust_augcl.gate.self_test import trials
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.target_bits import packed

# --- planted changes ------------------------------------------------------------------------------


@pytest.mark.parametrize("trial", trials(), ids=lambda trial: trial.name)
def test_planted_changes_are_told(trial):
    found = trial.gate()
    assert found.outcome == trial.expected
    assert found.exit_code == EXIT_CODES[trial.expected]


def test_every_outcome_is_planted():
    assert {trial.expected for trial in trials()} == set(EXIT_CODES)
    assert sorted(EXIT_CODES.values()) == [0, 1, 3, 4]


# --- the same weights -----------------------------------------------------------------------------


def test_nothing_changed(base):
    found = decide(base, base)
    assert (found.outcome, found.regimes, found.improved) == ("holds", ("same weights",), ())


@pytest.mark.parametrize("turned", [False, True])
def test_proved_by_one_and_broken_by_the_other_is_a_bug_either_way(base, turned):
    sides = base, self_test.flipped_certificate(base)
    found = decide(*(reversed(sides) if turned else sides))
    assert found.outcome == "regressed"
    assert "1 target of 1600 proved by one side and broken by the other" in why(found)


def test_a_proof_more_is_an_improvement_and_one_less_a_regression(base):
    lost = self_test.lost_certificate(base)
    assert "1 target no longer proved" in why(decide(base, lost))
    gained = decide(lost, base)
    assert gained.outcome == "holds"
    (better,) = gained.improved
    assert "proved or broken 1599, now 1600" in better.why


def test_a_few_breaks_less_are_chance_and_many_are_not(base):
    """Each McNemar test is corrected for all records."""
    weaker = next(p for p, r in enumerate(base.attacked) if r.attack == "weaker")
    record = base.attacked[weaker]
    clean = base.bits(record.victim, base.victims[record.victim].clean)
    broken = [p for p, right in enumerate(base.bits(record.victim, record.attacked)) if not right]
    work = [p for p in broken if clean[p]]

    def without(number: int) -> Gate:
        right = list(base.bits(record.victim, record.attacked))
        for place in work[:number]:
            right[place] = True
        changed = replace(record, attacked=packed(right))
        attacked = [changed if p == weaker else r for p, r in enumerate(base.attacked)]
        return decide(base, replace(base, attacked=attacked))

    assert without(5).outcome == "holds"
    # 27 tests: 8 seeds, each and together, of two attacks and of the worst case. 27 * 2 / 2^n is
    # below 0.05 from 11.
    assert without(10).outcome == "holds"
    assert without(11).outcome == "regressed"
    stronger = decide(replace(base, attacked=without_record(base, weaker, record, work)), base)
    assert stronger.outcome == "holds"
    assert [a.about for a in stronger.improved] == [
        "A method, gin, 2 layers, made up: Weaker, 1 edit"
    ]


def with_fewer_breaks(held: Baseline, number: int, where: range) -> Baseline:
    """The weaker attack breaks so many targets fewer of each of some victims."""
    attacked = []
    for record in held.attacked:
        if record.attack == "weaker" and record.victim in where:
            clean = held.bits(record.victim, held.victims[record.victim].clean)
            right = list(held.bits(record.victim, record.attacked))
            work = [p for p, was_right in enumerate(clean) if was_right and not right[p]]
            for place in work[:number]:
                right[place] = True
            record = replace(record, attacked=packed(right))
        attacked.append(record)
    return replace(held, attacked=attacked)


def test_an_attack_that_is_a_little_weaker_everywhere_is_told(base):
    """3 targets fewer are chance of one victim (p = 0.25); of 8 victims, 24 fewer are not."""
    assert decide(base, with_fewer_breaks(base, 3, range(1))).outcome == "holds"
    found = decide(base, with_fewer_breaks(base, 3, range(8)))
    assert found.outcome == "regressed"
    # 2 / 2^24, the smallest of 27.
    assert "newly breaks 0, over all seeds (corrected p = 3.2e-06)" in why(found)
    turned = decide(with_fewer_breaks(base, 3, range(8)), base)
    assert (turned.outcome, len(turned.improved)) == ("holds", 1)


def without_record(base, place, record, work):
    right = list(base.bits(record.victim, record.attacked))
    for target in work[:20]:
        right[target] = True
    changed = replace(record, attacked=packed(right))
    return [changed if p == place else r for p, r in enumerate(base.attacked)]


def with_clean(held: Baseline, flips: int, arithmetic: str) -> Baseline:
    """Some targets of each victim are predicted otherwise before any attack."""
    victims = []
    for place, victim in enumerate(held.victims):
        before = held.bits(place, victim.clean)
        clean = [not right if p < flips else right for p, right in enumerate(before)]
        victims.append(replace(victim, clean=packed(clean)))
    machines = [replace(machine, arithmetic=arithmetic) for machine in held.machines]
    return replace(held, victims=victims, machines=machines)


def test_the_same_weights_must_predict_the_same(base):
    assert "predict otherwise for 8 targets" in why(decide(base, with_clean(base, 1, "portable")))
    assert decide(base, with_clean(base, 1, "portable")).outcome == "regressed"


def test_fast_arithmetic_elsewhere_may_round_otherwise(base):
    fast = with_clean(base, 0, "fast")
    elsewhere = [replace(machine, processor="another") for machine in fast.machines]

    def at(flips: int) -> Gate:
        return decide(fast, replace(with_clean(base, flips, "fast"), machines=elsewhere))

    assert at(0).outcome == "holds"
    assert at(1).outcome == "cannot tell"
    assert at(10).outcome == "regressed"
    assert decide(fast, with_clean(base, 1, "fast")).outcome == "regressed"  # the same processor


@pytest.mark.parametrize("was_right", [False, True])
def test_a_clean_prediction_that_rounding_turned_says_nothing_of_proofs(base, was_right):
    """Wrong before and proved now, or proved before and wrong now: neither proof is refuted."""
    machine = replace(base.machines[0], arithmetic="fast")
    fast = replace(base, machines=[machine])
    flags = [list(base.bits(0, bits)) for bits in (base.victims[0].clean, base.worst[0].stands)]
    place = flags[was_right].index(was_right)
    for each in flags:
        each[place] = not was_right
    clean, stands = map(packed, flags)
    turned = replace(
        base,
        machines=[replace(machine, processor="another")],
        victims=[replace(base.victims[0], clean=clean), *base.victims[1:]],
        worst=[replace(base.worst[0], stands=stands, proved=stands), *base.worst[1:]],
    )
    found = decide(fast, turned)
    assert found.outcome == "cannot tell"
    assert "rounding" in why(found)
    portable = replace(turned, machines=base.machines)
    assert [a.about for a in decide(base, portable).of("regressed")] == [
        "A method, gin, 2 layers, made up: clean accuracy"
    ]


@pytest.mark.parametrize("plant", [self_test.flipped_certificate, self_test.lost_certificate])
def test_a_proof_whose_margin_is_near_0_may_round_otherwise_elsewhere(base, plant):
    """Up to 1 % of targets, on another processor, where arithmetic is fast; nowhere else."""
    fast = replace(base, machines=[replace(base.machines[0], arithmetic="fast")])
    elsewhere = [replace(fast.machines[0], processor="another")]
    (machine,) = plant(fast).machines
    assert machine.processor != "another"
    assert decide(fast, plant(fast)).outcome == "regressed"  # the same processor: the same bits
    for sides in (
        (fast, replace(plant(fast), machines=elsewhere)),
        (plant(fast), replace(fast, machines=elsewhere)),
    ):
        found = decide(*sides)
        if plant is self_test.lost_certificate and sides[0] is not fast:
            assert found.outcome == "holds"  # a proof is gained
            continue
        assert found.outcome == "cannot tell"
        assert found.exit_code == 4
        assert "1 target" in why(found)
        assert "which may come from rounding" in why(found)
    portable = replace(plant(base), machines=[replace(base.machines[0], processor="another")])
    assert decide(base, portable).outcome == "regressed"


def test_many_proofs_that_are_lost_are_no_rounding(base):
    """16 of 1600 targets are 1 %, and 17 are more."""
    fast = replace(base, machines=[replace(base.machines[0], arithmetic="fast")])
    elsewhere = [replace(fast.machines[0], processor="another")]
    proved = base.bits(0, base.worst[0].proved)
    places = [place for place, is_proved in enumerate(proved) if is_proved]

    def without(number: int) -> Gate:
        left = packed(flag and p not in places[:number] for p, flag in enumerate(proved))
        worst = [replace(base.worst[0], proved=left), *base.worst[1:]]
        return decide(fast, replace(base, machines=elsewhere, worst=worst))

    assert without(16).outcome == "cannot tell"
    assert without(17).outcome == "regressed"
