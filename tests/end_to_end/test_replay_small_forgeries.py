"""Forgeries that are smaller than any tolerance, or where replay does not search all again."""

from __future__ import annotations

import copy
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import finish
from forging import forge_record, problems, records_of, unclaimed, words
from small_suites import SEARCHED

from robust_augcl.results.records import Outcome, Record
from robust_augcl.results.transfers import Transfer, Transfers
from robust_augcl.review import again
from robust_augcl.review.side_file_proofs import transfers_differ
from robust_augcl.store.artifact import Artifact

OWN = '''
"""Other people's exact search: it claims to be exact, and declares no limit."""
from dataclasses import dataclass

from robust_augcl.attacks.exhaustive import Exhaustive


@dataclass(frozen=True)
class Search(Exhaustive):
    most_tried = None
'''
FOREIGN = """
[[attacks]]
name = "own.py:Search"
label = "own"
budgets = [1, 2]
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run: certificates, and a foreign exact attack. Not to be changed."""
    at = tmp_path_factory.mktemp("searched")
    (at / "own.py").write_text(OWN)
    text = SEARCHED.format(certificates="[certificates]", more=FOREIGN)
    for old, new in (
        ("budget = [1, 2]", "budget = [1, 2, 3]"),
        ('name = "exhaustive"', 'name = "exhaustive"\nbudgets = [1, 2]'),
    ):
        assert old in text
        text = text.replace(old, new)
    (at / "suite.toml").write_text(text)
    return finish(at / "suite.toml", at / "run", "--workers", "1")


@pytest.fixture
def spoilt(searched: Path, tmp_path: Path) -> Path:
    """A copy of that run, to spoil."""
    return Path(shutil.copytree(searched, tmp_path / "spoilt"))


def record_of(folder: Path, attack: str, budget: int) -> Record:
    (found,) = (
        record
        for record in records_of(folder)
        if record.cell.attack == attack and record.cell.budget == budget
    )
    return found


def certificate_of(folder: Path, budget: int) -> Path:
    (found,) = (
        path
        for path in (folder / "artifacts").glob("certificate-*")
        if Artifact.read(path).info["threat"]["budget"] == budget
    )
    return found


def forge_certificate(path: Path, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Change what a certificate says; returns what it said."""
    made = Artifact.read(path)
    info = copy.deepcopy(dict(made.info))
    change(info)
    path.write_bytes(replace(made, info=info).dumps())
    return dict(made.info)


def wrong(folder: Path) -> dict[str, list[str]]:
    return {name: found for name, found in problems(folder).items() if found}


def test_the_honest_run_holds(searched):
    assert not wrong(searched)


# --- numbers that are changed by less than any tolerance ------------------------------------------

LESS = {
    "one ulp more": lambda margin: math.nextafter(margin, math.inf),
    "one ulp less": lambda margin: math.nextafter(margin, -math.inf),
    "seven decimals": lambda margin: margin + 1e-7,
    "single precision": lambda margin: margin * (1 + 2**-24),
}
MARGINS = ("clean_margin", "attacked_margin")


@pytest.mark.parametrize("change", LESS.values(), ids=LESS)
@pytest.mark.parametrize("name", MARGINS)
def test_a_margin_of_more_decimals_than_a_run_writes_is_refused(spoilt, change, name):
    record = record_of(spoilt, "rand_sampling", 1)
    chosen = record.outcomes[3].graph

    def changed(outcome: Outcome) -> Outcome:
        if outcome.graph != chosen:
            return outcome
        return replace(outcome, **{name: change(getattr(outcome, name))})

    forge_record(spoilt, record, changed)
    when = name.removesuffix("_margin")
    assert wrong(spoilt) == {
        f"{record.key}.jsonl": [f"the {when} margin does not hold for graph {chosen}"]
    }


@pytest.mark.parametrize("change", LESS.values(), ids=LESS)
@pytest.mark.parametrize("budget", [1, 2, 3])
def test_so_is_such_a_lower_margin(spoilt, change, budget):
    path = certificate_of(spoilt, budget)

    def changed(info: dict[str, Any]) -> None:
        margins = info["lower_margin"]
        place = next(k for k, margin in enumerate(margins) if margin is not None)
        margins[place] = change(margins[place])

    forge_certificate(path, changed)
    ((name, (problem,)),) = wrong(spoilt).items()
    assert name == path.name
    assert problem.startswith("the lower margin does not hold for graph")


@pytest.mark.parametrize("change", LESS.values(), ids=LESS)
def test_so_is_such_a_margin_of_a_transfer(change):
    def transfers(margin: float) -> Transfers:
        return Transfers("of", (Transfer("one", "other", [0, 1], [0.25, margin]),))

    assert transfers_differ(transfers(0.5), transfers(0.5)) == []
    assert transfers_differ(transfers(change(0.5)), transfers(0.5))


# --- searches that are not all made again ---------------------------------------------------------


def hide_pairs(info: dict[str, Any]) -> None:
    """Call every target certified that a pair of edits breaks."""
    for place, witness in enumerate(info["witnesses"]):
        if witness and sum(map(len, witness)) == 2:
            info["witnesses"][place], info["certified"][place] = None, True
            info["lower_margin"][place] = 0.0


def test_the_beginning_of_a_longer_search_finds_what_breaks(spoilt, monkeypatch):
    """The records of two edits, which would tell, are emptied as well."""
    monkeypatch.setattr(again, "MOST_PAIRS", 40)  # every target has more
    assert not wrong(spoilt)
    enough = again.MOST_EVALUATIONS
    path = certificate_of(spoilt, 2)
    forge_certificate(path, hide_pairs)
    for attack in ("exhaustive", "own", "rand_sampling"):
        forge_record(spoilt, record_of(spoilt, attack, 2), unclaimed)
    monkeypatch.setattr(again, "MOST_EVALUATIONS", 1)
    before = problems(spoilt)[path.name]
    monkeypatch.setattr(again, "MOST_EVALUATIONS", enough)
    after = problems(spoilt)[path.name]
    refused = "the certificate does not hold for graph"
    # Certificates of more edits may know the witnesses of two, whatever is searched again.
    assert not any(problem.startswith(refused) for problem in before)
    assert any(problem.startswith(refused) for problem in after)


@pytest.mark.parametrize("edits", [0, 1])
@pytest.mark.parametrize("budget", [2, 3])
def test_a_witness_of_more_edits_than_it_takes_is_refused(spoilt, budget, edits):
    """It would not count for smaller budgets, though it breaks its target as well."""
    path = certificate_of(spoilt, budget)
    info, refused = Artifact.read(path).info, []
    for outcome in record_of(spoilt, "rand_sampling", 1).outcomes:
        place = info["graphs"].index(outcome.graph)
        witness = info["witnesses"][place]
        if witness is None or sum(map(len, witness)) != edits or outcome.added == witness[0]:
            continue
        longer = [[*witness[0], *outcome.added], []]
        forge_certificate(
            path, lambda now, k=place, longer=longer: now["witnesses"].__setitem__(k, longer)
        )
        told = wrong(spoilt)[path.name]
        forge_certificate(path, lambda now: now.update(info))
        if not any("the break by the edits" in problem for problem in told):
            refused += told
            break
    (problem,) = refused
    assert problem.startswith("the witness, as fewer edits break it, does not hold for graph")


def test_another_witness_of_as_few_edits_holds(spoilt):
    """It shows the same: that so many edits break the target."""
    found = record_of(spoilt, "own", 1)
    path = certificate_of(spoilt, 1)

    def changed(info: dict[str, Any]) -> None:
        for outcome in found.outcomes:
            if outcome.broken:
                place = info["graphs"].index(outcome.graph)
                info["witnesses"][place] = [outcome.added, outcome.removed]

    forge_certificate(path, changed)
    assert not wrong(spoilt)


# --- exact attacks of other people ----------------------------------------------------------------


@pytest.mark.parametrize("budget", [1, 2])
def test_an_emptied_record_of_a_foreign_exact_attack_is_told(spoilt, budget):
    """Its attack may have missed all that: what it missed is said, and proposing again tells."""
    record = record_of(spoilt, "own", budget)
    name, broken = f"{record.key}.jsonl", sum(outcome.broken for outcome in record.outcomes)
    assert broken
    assert "left standing" not in words(spoilt)[name]
    forge_record(spoilt, record, lambda o: unclaimed(o) if o.broken else o)
    assert not wrong(spoilt)
    said = words(spoilt)[name]
    assert f"{broken} left standing without its claim to be exact" in said
    assert f"({broken} of them broken by known edits)" in said


def test_proposing_again_tells(spoilt, command):
    record = record_of(spoilt, "own", 1)
    forge_record(spoilt, record, lambda o: unclaimed(o) if o.broken else o)
    plug_in = spoilt.parent / "own.py"
    plug_in.write_text(OWN)
    answer = command("replay", spoilt, "--again", 60)
    (line,) = (line for line in answer.out.splitlines() if line.startswith("FAILED"))
    assert record.key in line
    assert "computed again, something else is found" in line
