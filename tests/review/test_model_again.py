"""What differs between a model of a file and the same one computed again: each field, each bit."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest
from planned_files import file_of

from robust_augcl.results.baseline import Baseline
from robust_augcl.results.target_bits import packed
from robust_augcl.review.model_again import compared, other_machines
from robust_augcl.review.one_model import Chosen, Wanted, choose

SUITE = """
name = "small"
[dataset]
source = "components"
[encoder]
name = "structure2vec"
[threat]
within_component = true
budget = [1, 2]
[certificates]
[[methods]]
name = "none"
[[methods]]
name = "graphcl"
[[attacks]]
name = "exhaustive"
budgets = [1]
[[attacks]]
name = "rand_sampling"
"""
HELD, _ = file_of(tomllib.loads(SUITE), (0, 1))
WANTED = Wanted(seed=1, method="graphcl")
CHOSEN = choose(HELD, WANTED, "file")


def made(chosen: Chosen = CHOSEN) -> Baseline:
    """What an honest computation of the chosen model gives."""
    held = chosen.held
    worst = [w for w in held.worst if w.victim == chosen.place and w.budget in chosen.budgets]
    return replace(
        held,
        data=[chosen.data],
        victims=[replace(chosen.victim, data=0, train_seconds=70.0)],
        attacked=[replace(r, victim=0, attack_seconds=70.0) for r in chosen.records],
        worst=[replace(w, victim=0, seconds=70.0) for w in worst],
        audit=None,
    )


def problems(held: Baseline, wanted: Wanted = WANTED, again: Baseline | None = None):
    """What differs of a forged file, by what it is about."""
    chosen = choose(held, wanted, "file")
    found = compared(chosen, made() if again is None else again)
    return {each.what: each.problem for each in found if each.problem}


def changed(held: Baseline, name: str, place: int, **fields) -> Baseline:
    """A file with other fields of the entry at a place of a list."""
    entries = list(getattr(held, name))
    entries[place] = replace(entries[place], **fields)
    return replace(held, **{name: entries})


def flipped(text: str, place: int) -> str:
    """Bits of which one is another one."""
    bits = list(HELD.bits(CHOSEN.place, text))
    bits[place] = not bits[place]
    return packed(bits)


DATA = CHOSEN.victim.data
RECORD = HELD.attacked.index(CHOSEN.records[0])
WORST = next(k for k, w in enumerate(HELD.worst) if w.victim == CHOSEN.place and w.budget == 1)
OF_TWO = next(k for k, w in enumerate(HELD.worst) if w.victim == CHOSEN.place and w.budget == 2)
CLEAN = HELD.bits(CHOSEN.place, CHOSEN.victim.clean)
BROKEN = HELD.bits(CHOSEN.place, HELD.worst[WORST].stands).index(False)
PROVED = HELD.bits(CHOSEN.place, HELD.worst[WORST].proved).index(True)


def test_the_same_is_the_same():
    found = list(compared(CHOSEN, made()))
    assert [each.problem or each.note for each in found] == [""] * 14
    assert len({each.what for each in found}) == 14


@pytest.mark.parametrize(
    ("name", "place", "fields", "what", "words"),
    [
        ("data", DATA, {"key": "dataset-0"}, "data set: address", "dataset-0 in the file, data"),
        ("data", DATA, {"digest": "0" * 64}, "data set: digest of its graphs", "0000 in the file,"),
        ("data", DATA, {"labels": [1, *CHOSEN.data.labels[1:]]},
         "data set: 20 targets and their classes", "other labels"),
        ("data", DATA, {"tested": 7}, "data set: 20 targets and their classes", "other tested"),
        ("victims", CHOSEN.place, {"key": "victim-0"}, "model: address", "victim-0 in the file"),
        ("victims", CHOSEN.place, {"weights": "0" * 64}, "model: digest of its weights", "0000 in"),
        ("victims", CHOSEN.place, {"settings": {"alpha": 2}}, "model: what is said of it",
         "other settings"),
        ("victims", CHOSEN.place, {"epoch": 3, "epochs": 4}, "model: what is said of it",
         "other epoch, epochs"),
        ("victims", CHOSEN.place, {"notes": ["collapsed"]}, "model: what is said of it",
         "other notes"),
        ("victims", CHOSEN.place, {"clean": flipped(CHOSEN.victim.clean, 3)},
         "model: clean predictions", "1 of 20 targets, the first is graph 3: "),
        ("attacked", RECORD, {"key": "attack-0"}, "exhaustive, 1 edit: address", "attack-0 in the"),
        ("attacked", RECORD, {"queries": 7}, "exhaustive, 1 edit: what is said of it",
         "other queries"),
        ("attacked", RECORD, {"threat": 1 - HELD.attacked[RECORD].threat},
         "exhaustive, 1 edit: what is said of it", "another threat"),
        ("attacked", RECORD, {"attacked": flipped(HELD.attacked[RECORD].attacked, BROKEN)},
         "exhaustive, 1 edit: predictions after the edits",
         f"1 of 20 targets, the first is graph {BROKEN}: right in the file, wrong here"),
        ("attacked", RECORD, {"exact": flipped(HELD.attacked[RECORD].exact, 19)},
         "exhaustive, 1 edit: which targets are exact",
         "1 of 20 targets, the first is graph 19: not exact in the file, exact here"),
        ("worst", WORST, {"threat": 1 - HELD.worst[WORST].threat},
         "worst case, 1 edit: threat and certificate", "another threat"),
        ("worst", WORST, {"stands": flipped(HELD.worst[WORST].stands, PROVED)},
         "worst case, 1 edit: which targets stand",
         f"1 of 20 targets, the first is graph {PROVED}: broken in the file, standing here"),
        ("worst", WORST, {"stands": flipped(HELD.worst[WORST].stands, BROKEN)},
         "worst case, 1 edit: which targets stand", "standing in the file, broken here"),
        ("worst", WORST, {"proved": flipped(HELD.worst[WORST].proved, PROVED)},
         "worst case, 1 edit: which targets are proved", "not proved in the file, proved here"),
        ("worst", WORST, {"proved": flipped(HELD.worst[WORST].proved, BROKEN)},
         "worst case, 1 edit: which targets are proved", "proved in the file, not proved here"),
    ],
)  # fmt: skip
def test_one_change_is_found_and_named(name, place, fields, what, words):
    forged = changed(HELD, name, place, **fields)
    found = problems(forged)
    assert set(found) == {what}
    assert words in found[what]


def test_other_models_and_other_records_do_not_count():
    other = next(k for k, v in enumerate(HELD.victims) if k != CHOSEN.place)
    beside = next(
        k
        for k, r in enumerate(HELD.attacked)
        if r.victim == CHOSEN.place and r.attack == "rand_sampling" and r.budget == 2
    )
    forged = changed(HELD, "victims", other, weights="0" * 64)
    forged = changed(forged, "attacked", beside, key="attack-0")
    assert problems(forged) == {}


def test_what_the_file_does_not_say_is_not_held_against_it():
    silent = changed(HELD, "data", DATA, draws_graphs=None, tested=None, training=None)
    silent = changed(silent, "victims", CHOSEN.place, epoch=None, epochs=None)
    again = changed(made(), "victims", 0, epoch=3, epochs=4)
    assert problems(silent, again=again) == {}


def test_other_targets_are_compared_with_nothing():
    again = changed(made(), "data", 0, graphs=[5, *CHOSEN.data.graphs[1:]])
    found = problems(HELD, again=again)
    assert found.pop("data set: 20 targets and their classes") == "other graphs"
    assert len(found) == 5
    assert set(found.values()) == {"the targets here are others"}


def test_what_could_not_be_computed_differs():
    found = problems(HELD, again=replace(made(), attacked=[], worst=[]))
    assert found == {
        "exhaustive, 1 edit: record": "nothing was computed here",
        "worst case, 1 edit": "nothing was computed here",
    }
    without = changed(made(), "worst", 0, is_certified=False)
    found = problems(HELD, again=without)
    assert found == {"worst case, 1 edit: threat and certificate": "certified in the file alone"}


# --- what the file knows from elsewhere -----------------------------------------------------------


def as_little_as_nothing() -> Baseline:
    """As `made`, where the certificate settled nothing and the attack proved and broke nothing."""
    none = packed([False] * 20)
    again = changed(made(), "worst", 0, stands=CHOSEN.victim.clean, proved=none)
    return changed(again, "attacked", 0, attacked=CHOSEN.victim.clean, exact=none)


def of_worst(held: Baseline, again: Baseline):
    """Problem and note of what stands, and of what is proved."""
    chosen = replace(CHOSEN, held=held)
    last = list(compared(chosen, again))[-2:]
    return [(each.problem, each.note) for each in last]


def test_other_attacks_and_certificates_of_the_file_may_know_more():
    broken = sum(CLEAN) - sum(HELD.bits(CHOSEN.place, HELD.worst[WORST].stands))
    proved = sum(HELD.bits(CHOSEN.place, HELD.worst[WORST].proved))
    beside = "more in the file, from what was not computed here"
    assert broken
    assert proved
    found = of_worst(HELD, as_little_as_nothing())
    assert found == [("", f"{broken} {beside}"), ("", f"{proved} {beside}")]


def test_but_only_where_it_holds_what_it_knows_it_from():
    uncertified = changed(HELD, "worst", OF_TWO, is_certified=False)
    alone = replace(uncertified, attacked=list(CHOSEN.records))
    (stands, _), (proofs, _) = of_worst(alone, as_little_as_nothing())
    assert "broken in the file, standing here" in stands
    assert "proved in the file, not proved here" in proofs


def test_no_other_record_excuses_what_is_refuted_here():
    """A target that is proved here is not broken, and a broken one is not proved."""
    other = next(
        place
        for place, record in enumerate(HELD.attacked)
        if record.victim == CHOSEN.place and record.attack == "rand_sampling" and record.budget == 1
    )
    worst = HELD.worst[WORST]
    weaker = changed(HELD, "worst", WORST, stands=flipped(worst.stands, PROVED))
    weaker = changed(weaker, "attacked", other, attacked=packed([False] * 20))
    (stands, note), _ = of_worst(weaker, made())
    assert "broken in the file, standing here" in stands
    assert not note

    two = HELD.worst[OF_TWO]
    stronger = changed(HELD, "worst", WORST, proved=flipped(worst.proved, BROKEN))
    if not HELD.bits(CHOSEN.place, two.proved)[BROKEN]:
        stronger = changed(stronger, "worst", OF_TWO, proved=flipped(two.proved, BROKEN))
    _, (proofs, note) = of_worst(stronger, made())
    assert "proved in the file, not proved here" in proofs
    assert not note


def test_an_attack_with_more_edits_breaks_nothing_for_fewer():
    uncertified = changed(HELD, "worst", OF_TWO, is_certified=False)
    more = [r for r in HELD.attacked if r.victim == CHOSEN.place and r.budget == 2]
    fewer = [r for r in HELD.attacked if r.victim == CHOSEN.place and r.budget == 1]
    standing = []
    for records in (more, [*fewer, *more]):
        held = replace(uncertified, attacked=records)
        (problem, note), _ = of_worst(held, as_little_as_nothing())
        standing.append((bool(problem), bool(note)))
    assert standing == [(True, False), (True, True)]


def test_a_certificate_of_fewer_edits_proves_nothing_for_more():
    wanted = replace(WANTED, all_budgets=True)
    both = choose(HELD, wanted, "file")
    chosen = replace(both, budgets=(2,), records=(both.records[1],))
    again = made(chosen)
    again = changed(again, "worst", 0, proved=packed([False] * 20))
    found = {each.what: each for each in compared(chosen, again) if each.problem or each.note}
    assert set(found) == {"worst case, 2 edits: which targets are proved"}
    assert found.popitem()[1].note == ""


# --- machines -------------------------------------------------------------------------------------


def test_another_machine_is_named():
    assert other_machines(CHOSEN, made()) == []
    elsewhere = changed(made(), "machines", 0, processor="another", versions={"python": "3.12"})
    assert other_machines(CHOSEN, elsewhere) == ["processor any, AVX2 and python 3.11.7"]
    portable = changed(HELD, "machines", 0, arithmetic="portable")
    same = {"arithmetic": "portable", "versions": {"python": "3.11.7"}}
    elsewhere = changed(elsewhere, "machines", 0, **same)
    assert other_machines(choose(portable, WANTED, "file"), elsewhere) == []
