"""What is neither proved nor computed again is said to be on trust; numbers are held to the type.

Every forgery here matches in itself, and says that it took too long to be computed again.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import finish
from forging import forge_record, records_of
from small_suites import ONE_ATTACK

from robust_augcl.results.records import Outcome, Record
from robust_augcl.store.artifact import Artifact

LONG = 900.0


@pytest.fixture
def replayed(command, forger):
    """The lines of replay, with time to compute again whatever was quick on any machine."""
    return lambda: command("replay", forger.folder, "--again", 60).out.splitlines()


def failed(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("FAILED")]


def one(lines: list[str], words: str) -> str:
    """The only line with these words."""
    (line,) = [line for line in lines if words in line]
    return line


# --- numbers of another type ----------------------------------------------------------------------


def with_a_share_for_a_count(record: Record) -> Record:
    """A budget of one edit is said to be one of all edges: 1 is 1.0 to Python, not to us."""
    assert json.dumps(record.cell.budget) == "1"
    cell, threat = replace(record.cell, budget=1.0), {**record.threat, "budget": 1.0}
    return replace(record, cell=cell, threat=threat)


def of_other_type(value: object) -> object:
    if type(value) is int:
        return True if value == 1 else float(value)
    return value


def with_other_types(record: Record) -> Record:
    """In two tables of settings each whole number is a float, and each 1 is true."""
    changed = {
        name: {key: of_other_type(value) for key, value in getattr(record, name).items()}
        for name in ("method_settings", "attack_settings")
    }
    assert all(json.dumps(table) != json.dumps(getattr(record, n)) for n, table in changed.items())
    return replace(record, **changed)


def with_true_for_one(record: Record) -> Record:
    """Of a method's settings each 1 and each 1.0 is true."""
    changed = {
        name: True if type(value) in (int, float) and value == 1 else value
        for name, value in record.method_settings.items()
    }
    assert json.dumps(changed) != json.dumps(record.method_settings), record.method_settings
    return replace(record, method_settings=changed)


@pytest.mark.thorough(but=["rl_s2v-*"])
@pytest.mark.parametrize(
    ("attack", "change", "named"),
    [
        ("rand_sampling", with_a_share_for_a_count, "its cell and threat are not"),
        ("grad_argmax", with_a_share_for_a_count, "its cell and threat are not"),
        ("rl_s2v", with_other_types, "its attack_settings and method_settings are not"),
        ("grad_argmax", with_true_for_one, "its method_settings are not"),
    ],
)
def test_a_number_of_another_type_is_another_number(forger, replayed, attack, change, named):
    path = next(
        path
        for path in forger.records()
        if '"method":"augcl"' in path.read_text() and f'"attack":"{attack}"' in path.read_text()
    )
    forger.change_record(path, lambda r: replace(change(r), attack_seconds=LONG))
    (line,) = failed(replayed())
    assert path.name in line
    assert named in line


def elsewhere(record: Record, **said: object) -> Record:
    """The record with other queries, as if it had been computed elsewhere."""
    return replace(record, queries=1, environment={**record.environment, **said})


@pytest.mark.thorough
def test_what_was_computed_with_other_threads_is_no_forgery(forger, replayed):
    forger.change_record(forger.record_of("grad_argmax"), lambda r: elsewhere(r, threads=2))
    lines = replayed()
    assert not failed(lines)
    assert "other bits here, but made with threads 2" in one(lines, "record: queries")


@pytest.mark.thorough
def test_portable_results_are_the_same_on_every_processor(forger, replayed):
    """Another processor explains no other bits of theirs."""
    forger.change_record(
        forger.record_of("grad_argmax"), lambda r: elsewhere(r, processor="another, AVX512")
    )
    (line,) = failed(replayed())
    assert "other queries" in line


def test_a_portable_result_that_says_it_is_fast_is_refused(forger, replayed):
    """Else that word would explain any other bits."""
    forger.change_record(forger.record_of("grad_argmax"), lambda r: elsewhere(r, arithmetic="fast"))
    (line,) = failed(replayed())
    assert "kept as computed in portable arithmetic, it says 'fast'" in line


@pytest.mark.thorough(but=["rand_sampling"])
@pytest.mark.parametrize("attack", ["rand_sampling", "grad_argmax"])
def test_a_record_that_differs_elsewhere_is_not_said_to_hold(forger, replayed, attack):
    """Where it was made is its own word, so that no forged word makes it hold."""
    path = forger.record_of(attack)
    forger.change_record(path, lambda r: elsewhere(r, versions={"torch": "1"}))
    lines = replayed()
    assert one(lines, path.name).startswith("on trust  ")
    assert "All 5 records and 2 certificates and 2 representations hold." in lines
    assert "On trust: 1 record." in lines


def test_nothing_holds_that_rests_on_what_differs_elsewhere(forger, replayed):
    path = forger.artifact("warm_up")
    forger.change_artifact(
        path,
        lambda made: replace(
            made,
            info={**made.info, "losses": [0.0]},
            about={
                **made.about,
                "environment": {**made.about["environment"], "versions": {"torch": "1"}},
            },
        ),
    )
    lines = replayed()
    assert not failed(lines)
    assert one(lines, f"on trust  {path.name}").split(": ")[-1].startswith("other bits here")
    # Representations rest on a pretraining of their own.
    assert "All 2 representations hold." in lines
    assert "On trust: 6 records and 2 certificates." in lines
    told = [line for line in lines if line.startswith("on trust  attack-")]
    assert len(told) == 6
    assert all(f"rests on {path.name}" in line for line in told)


# --- what nothing is proved of --------------------------------------------------------------------


def test_that_an_attack_finds_no_more_is_not_said_to_be_proved(forger, replayed):
    """A record without edits is allowed, and predicted right; the attack found some."""
    path = forger.record_of("rand_sampling")
    forger.change_record(
        path,
        lambda r: replace(
            r,
            attack_seconds=LONG,
            outcomes=[
                replace(o, added=[], removed=[], attacked=o.clean, attacked_margin=o.clean_margin)
                for o in r.outcomes
            ],
        ),
    )
    lines = replayed()
    assert one(lines, path.name).endswith(", not computed again (took longer than 60 s)")
    honest = [line for line in lines if line.startswith("holds") and path.name not in line]
    assert sum(line.endswith(", computed again") for line in honest) == 5
    row = one(lines, "record: added, removed")
    assert row.startswith("computed again  ")
    assert "that the attack finds no more: computed again 5 of 6; 1 on trust: took" in row
    assert "replay decides what is computed again" in one(lines, "attack_seconds, environment")


def test_a_result_of_which_nothing_is_proved_is_not_said_to_hold(forger, replayed):
    path = forger.artifact("representation")
    forger.change_artifact(path, better_scores(accuracy=[1.0] * 3))
    lines = replayed()
    line = one(lines, path.name)
    assert line.startswith("on trust  ")
    assert line.endswith("took longer than 60 s")
    assert "All 6 records and 2 certificates and 1 representation hold." in lines
    assert "On trust: 1 representation." in lines


def better_scores(**changes: list[float]):
    return lambda made: replace(
        made, info={**made.info, **changes}, about={**made.about, "seconds": LONG}
    )


@pytest.mark.thorough(but=["changes1-*"])
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"accuracy": [1.0] * 4}, "its number of folds in accuracy is 4, not 3"),
        ({"c": [1.0]}, "its number of folds in c is 1, not 3"),
        ({"c": [1.0, 5.0, 1.0]}, "its c holds 5.0, which its suite does not try"),
    ],
)
def test_folds_and_penalties_are_those_of_the_suite(forger, replayed, changes, named):
    path = forger.artifact("representation")
    forger.change_artifact(path, better_scores(**changes))
    (line,) = failed(replayed())
    assert path.name in line
    assert named in line


@pytest.mark.thorough(but=["graphcl"])
@pytest.mark.parametrize("whose", ["augcl", "graphcl"])
def test_a_victim_without_a_pretraining_is_on_trust_and_says_so(forger, command, whose):
    """Another method's victim is put there; of one of both, nothing tells where it began."""
    own, other = (forger.artifact("victim", method) for method in ("augcl", "graphcl"))
    better = Artifact.read(other)
    forger.change_artifact(
        own,
        lambda made: replace(
            made, tensors=better.tensors, info={**better.info, "notes": made.info["notes"]}
        ),
    )
    forger.compute_after("attacker", "certificate")
    forger.artifact("pretraining", whose).unlink()
    lines = command("replay", forger.folder, "--again", 0).out.splitlines()
    assert not failed(lines)
    without = own if whose == "augcl" else other
    for path, alike in ((own, other), (other, own)):
        told = one(lines, f"on trust  {path.name} (")
        assert f"its weights are those of {alike.stem}, and nothing tells whether" in told
        assert ("its pretraining is missing" in told) == (path == without)
    row = one(lines, "victim: notes")
    assert row.startswith("proved  ")
    assert "1 of 2 held against its pretraining; 1 on trust: its pretraining is missing" in row


# --- choosing among what others found -------------------------------------------------------------


def cleaned(outcome: Outcome) -> Outcome:
    """The target as if nothing had been found for it."""
    return replace(
        outcome,
        added=[],
        removed=[],
        attacked=outcome.clean,
        attacked_margin=outcome.clean_margin,
    )


@pytest.fixture(scope="module")
def combined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of an attack that combines two others. Not to be changed."""
    path = tmp_path_factory.mktemp("combined") / "suite.toml"
    two = ONE_ATTACK.format(attack="grad_argmax") + COMBINED_WITH
    path.write_text(two)
    return finish(path, path.parent / "run", "--workers", "1")


COMBINED_WITH = """
[[attacks]]
name = "rand_sampling"
[[attacks]]
name = "worst_case"
"""


@pytest.mark.parametrize("slow", [("grad_argmax",), ("worst_case",), ("grad_argmax", "worst_case")])
def test_choosing_is_done_again_however_long_it_is_said_to_have_taken(
    combined, command, tmp_path, slow
):
    folder = Path(shutil.copytree(combined, tmp_path / "forged"))
    before = command("replay", folder, "--again", 0)
    assert before.code == 0
    assert sum("computed again" in line for line in before.out.splitlines() if "holds" in line) >= 1
    for record in records_of(folder):
        attack = record.cell.attack
        seconds = LONG if attack in slow else record.attack_seconds
        forge_record(
            folder,
            replace(record, attack_seconds=seconds),
            cleaned if attack == "worst_case" else lambda outcome: outcome,
        )
    lines = command("replay", folder, "--again", 0).out.splitlines()
    assert "worst_case" in one(lines, "FAILED  attack")
