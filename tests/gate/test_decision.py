"""Regimes, outcomes, and how often they are wrong where the truth is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from robust_augcl.gate import self_test
from robust_augcl.gate.decision import decide
from robust_augcl.gate.questions import EXIT_CODES, Gate, Rules
from robust_augcl.gate.rendering import FORMS
from robust_augcl.gate.self_test import Chance, Truth, made_up, trials
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_parts import Found
from robust_augcl.results.target_bits import packed

SEEDS = range(8)


def why(gate: Gate) -> str:
    return " | ".join(f"{a.about}: {a.why}" for a in gate.of(gate.outcome))


@pytest.fixture(scope="module")
def base() -> Baseline:
    return made_up(SEEDS, Truth())


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
    victims = [replace(victim, method="other", name="Other") for victim in base.victims]
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
    victims = [replace(v, method="a", name="a") for v in one.victims]
    victims += [replace(v, method="b", name="b", weights=v.weights) for v in other.victims]
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
    data = [replace(each, test_to_train=None) for each in new.data]
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


# --- beside ---------------------------------------------------------------------------------------


def audited(held: Baseline, *found: Found) -> Baseline:
    return replace(held, audit=list(found))


def test_only_a_new_failure_of_the_audit_is_a_regression(base):
    fails = Found("a check", "FAIL", "seen", [0])
    passes = Found("a check", "PASS", "seen", [])
    assert decide(audited(base, passes), audited(base, fails)).outcome == "regressed"
    assert decide(audited(base, fails), audited(base, fails)).outcome == "holds"
    # Records 0 and 2 are of one attack, of other seeds; record 1 is of another attack.
    other_seed = audited(base, replace(fails, records=[2]))
    assert decide(audited(base, fails), other_seed).outcome == "holds"
    spread = decide(audited(base, fails), audited(base, replace(fails, records=[0, 1])))
    assert spread.outcome == "regressed"
    mended = decide(audited(base, fails), audited(base, passes))
    assert (mended.outcome, len(mended.improved)) == ("holds", 1)
    warns = audited(base, replace(fails, status="WARN"))
    assert decide(audited(base, passes), warns).outcome == "holds"
    assert decide(replace(base, audit=None), audited(base, fails)).outcome == "regressed"
    assert decide(base, replace(base, audit=None)).outcome == "cannot tell"


def test_a_check_that_fails_for_more_seeds_is_a_regression(base):
    """Records 0, 2, 4 ... are of one attack, one for each seed."""

    def failing(*places: int) -> Baseline:
        return audited(base, Found("a check", "FAIL", "seen", list(places)))

    every = decide(failing(0), failing(*range(0, 16, 2)))
    assert (every.outcome, every.exit_code) == ("regressed", 1)
    assert "(for 8 of 8 seeds, before for 1 of 8). seen" in why(every)
    assert decide(failing(0, 2), failing(4, 6)).outcome == "holds"
    assert decide(failing(0, 2), failing(4)).outcome == "holds"


def test_a_check_may_fail_for_as_large_a_share_of_more_seeds(base):
    """Eight seeds hold twice as many chances to fail as four do."""
    few = self_test.failed_audit(made_up(range(4), Truth()))
    for seeds, outcome in ((2, "holds"), (3, "regressed")):
        found = decide(few, self_test.failed_audit(base, seeds))
        assert found.outcome == outcome
    assert "(for 3 of 8 seeds, before for 1 of 4)" in why(found)
    passes = made_up(range(4), Truth())
    assert decide(passes, self_test.failed_audit(base)).outcome == "regressed"


def test_that_nobody_audited_is_said(base):
    bare = replace(base, audit=None)
    found = decide(bare, bare)
    assert found.outcome == "holds"
    assert found.notes[0].startswith("neither side is audited")
    for name, form in FORMS.items():
        assert "neither side is audited" in " ".join(form(found).split()), name
        assert "neither side is audited" not in " ".join(form(decide(base, base)).split()), name


def test_the_drop_of_a_weaker_attack_is_above_0_in_every_output(base):
    found = decide(base, self_test.dulled_attack(base))
    (weaker,) = found.of("regressed")
    assert weaker.drop == 3 * 8 / 1600
    (row,) = [r for r in FORMS["markdown"](found).splitlines() if r.startswith("| regressed")]
    assert row.split("|")[5].strip() == "1.5"


def test_times_are_ratios_on_the_same_processor(base):
    slow = replace(base, attacked=[replace(r, attack_seconds=1.5) for r in base.attacked])
    notes = " ".join(decide(base, slow).notes)
    assert "Weaker (1 edit) 1.50" in notes
    assert "training 1.00" in notes
    assert "peak memory of attacks, new over baseline (same processor): 1.00" in notes
    elsewhere = replace(slow, machines=[replace(slow.machines[0], processor="another")])
    (note,) = decide(base, elsewhere).notes
    assert note.startswith("time and memory are not compared")


def test_what_was_revised_is_said(base):
    before, after = (replace(base, revisions={"attack beam": number}) for number in (1, 2))
    assert "revised since: attack beam (1, now 2)" in decide(before, after).notes


# --- how often it is wrong, where the truth is known ----------------------------------------------


@pytest.mark.parametrize("other_seeds", [False, True], ids=["paired", "unpaired"])
def test_regressions_without_one_are_called_in_at_most_5_of_100(other_seeds):
    truth = Truth(spread=0.02)
    called = 0
    seeds = range(20, 28) if other_seeds else SEEDS
    for chance in range(100):
        base = made_up(SEEDS, truth, chance=Chance(2 * chance))
        new = made_up(seeds, truth, "again", chance=Chance(2 * chance + 1))
        called += decide(base, new, Rules(tolerance=0.001)).outcome == "regressed"
    assert called <= 5


@pytest.mark.parametrize("other_seeds", [False, True], ids=["paired", "unpaired"])
def test_a_drop_of_the_detectable_size_is_found_in_at_least_75_of_100(other_seeds):
    """The size that the gate states where nothing changed, on average."""
    truth, found, sizes = Truth(spread=0.02), 0, []
    seeds = range(20, 28) if other_seeds else SEEDS
    for chance in range(30):
        base = made_up(SEEDS, truth, chance=Chance(chance))
        new = made_up(seeds, truth, "again", chance=Chance(-chance))
        primary = next(a for a in decide(base, new).answers if a.decides and a.detectable)
        sizes.append(primary.detectable**2)
    size = (sum(sizes) / len(sizes)) ** 0.5
    weaker = replace(truth, robust=truth.robust - size)
    for chance in range(100):
        base = made_up(SEEDS, truth, chance=Chance(1000 + chance))
        new = made_up(seeds, weaker, "again", chance=Chance(2000 + chance))
        found += decide(base, new).outcome == "regressed"
    assert found >= 75


def test_a_stochastic_attack_that_draws_anew_is_called_weaker_in_at_most_5_of_100():
    """Same weights: half of what the weaker attack misses is other targets each time."""
    called = 0
    for chance in range(100):
        base = made_up(range(3), Truth(), chance=Chance(chance))
        again = made_up(range(3), Truth(), chance=Chance(chance, 1))
        assert [v.weights for v in base.victims] == [v.weights for v in again.victims]
        called += decide(base, again).outcome == "regressed"
    assert called <= 5
