"""Replay proves certificates too: forge what one says, with a valid checksum, and the verdict names
it.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import finish
from small_suites import PROVED

from robust_augcl.plan.planner import plan
from robust_augcl.plan.step import Step
from robust_augcl.plan.suite import load_suite
from robust_augcl.results.measurements import stored_certificate
from robust_augcl.review import again
from robust_augcl.review.again import MostTried
from robust_augcl.review.certificate_proof import check_certificate
from robust_augcl.review.subject import Subject
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.run_folder import RunFolder


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "proofs.toml"
    path.write_text(PROVED)
    return path


@pytest.fixture(scope="module")
def proofs(suite: Path) -> Path:
    """A finished run of one victim, certified against one, two and three edits. Not to be
    changed.
    """
    return finish(suite, suite.parent / "run", "--workers", "1")


@pytest.fixture
def spoilt(proofs: Path, tmp_path: Path) -> Path:
    """A copy of that run, to spoil."""
    return Path(shutil.copytree(proofs, tmp_path / "spoilt"))


@pytest.fixture(scope="module")
def certificates(suite: Path) -> dict[int, Step]:
    """The certificates' steps by their budgets."""
    return {
        int(cell.budget): step
        for cell, step in plan(load_suite(str(suite))).measurements
        if step.kind == "certificate"
    }


def path_of(folder: Path, step: Step) -> Path:
    return RunFolder(folder).store.artifact_path(step.key)


def forge(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what an artifact says and give it a valid checksum again, as somebody would who knows
    the format.
    """
    artifact = Artifact.read(path)
    info = copy.deepcopy(artifact.info)
    change(info)
    path.write_bytes(replace(artifact, info=info).dumps())


def place_of(info: dict[str, Any], edits: int | None) -> int:
    """The first graph with a witness of so many edits; None: the first that is certified."""
    return next(
        i
        for i, w in enumerate(info["witnesses"])
        if (info["certified"][i] if edits is None else w and len(w[0]) == edits)
    )


def put(name: str, value: object, edits: int | None) -> Callable[[dict[str, Any]], None]:
    return lambda info: info[name].__setitem__(place_of(info, edits), value)


def claim(edits: int) -> Callable[[dict[str, Any]], None]:
    """Call a graph certified that some edits break, and hide them."""

    def change(info: dict[str, Any]) -> None:
        place = place_of(info, edits)
        info["certified"][place], info["witnesses"][place], info["lower_margin"][place] = (
            True,
            None,
            0.0,
        )

    return change


def at(
    which: Callable[[dict[str, Any], int], bool], **values: object
) -> Callable[[dict[str, Any]], None]:
    """Say something else of the first graph of which this holds."""

    def change(info: dict[str, Any]) -> None:
        place = next(i for i in range(len(info["graphs"])) if which(info, i))
        for name, value in values.items():
            info[name][place] = value

    return change


def is_certified(info: dict[str, Any], place: int) -> bool:
    return info["certified"][place]


def one_edit_breaks(info: dict[str, Any], place: int) -> bool:
    return info["witnesses"][place] is not None and sum(map(len, info["witnesses"][place])) == 1


def two_edits_break(info: dict[str, Any], place: int) -> bool:
    return info["witnesses"][place] is not None and sum(map(len, info["witnesses"][place])) == 2


UNKNOWN = {"certified": False, "settled": False, "lower_margin": None, "witnesses": None}


def half(info: dict[str, Any]) -> None:
    """Leave out one edit of a pair: neither of them breaks the graph alone."""
    info["witnesses"][place_of(info, 2)][0].pop()


def test_every_certificate_of_an_honest_run_holds(proofs, certificates, command):
    answer = command("replay", proofs)
    assert answer.code == 0
    assert "All 3 records and 3 certificates hold." in answer.out
    info = {
        budget: Artifact.read(path_of(proofs, step)).info for budget, step in certificates.items()
    }
    for budget, step in certificates.items():
        (line,) = [line for line in answer.out.splitlines() if path_of(proofs, step).name in line]
        broken = sum(witness is not None for witness in info[budget]["witnesses"])
        assert line.startswith("holds ")
        assert f"18 graphs, {broken} broken again" in line
    assert {len(w[0]) for w in info[2]["witnesses"] if w} == {
        0,
        1,
        2,
    }  # or the tests below are about nothing
    assert f"{sum(info[1]['certified'])} certified again" in answer.out  # by every single edit
    assert all(info[3]["settled"])  # by branch and bound


@pytest.mark.thorough(
    only=[
        "1-<lambda>-the break by *",
        "2-change-the certificate does not hold",
        "2-change-the claim that no single *",
        "3-change-the claim that no single *",
        "2-<lambda>-the lower margin *",
    ]
)
@pytest.mark.parametrize(
    ("budget", "change", "what"),
    [
        (2, half, "the break by the edits that were found does not hold"),
        (1, put("witnesses", [[], []], 1), "the break by the edits that were found does not hold"),
        (2, put("witnesses", [[[0, 99]], []], 1), "a node that does not exist"),
        (1, put("witnesses", [[[0, 1], [0, 2]], []], 1), "2 edits, its budget is 1"),
        (1, put("witnesses", [[], [[0, 1]]], 1), "deletions are not allowed"),
        (1, claim(1), "the certificate does not hold"),
        (2, claim(1), "the certificate does not hold"),
        (3, claim(1), "the certificate does not hold"),
        (3, claim(2), "the certificate does not hold"),
        (3, at(two_edits_break, lower_margin=0.01), "the lower margin does not hold"),
        (
            1,
            at(is_certified, **UNKNOWN),
            "the claim that it is open, with one edit at the most, does not hold",
        ),
        (
            1,
            at(one_edit_breaks, **UNKNOWN),
            "the claim that no single edit is known to break it does not hold",
        ),
        (
            2,
            at(one_edit_breaks, **UNKNOWN),
            "the claim that no single edit is known to break it does not hold",
        ),
        (
            3,
            at(one_edit_breaks, **UNKNOWN),
            "the claim that no single edit is known to break it does not hold",
        ),
        (2, claim(0), "the clean prediction does not hold"),
        (1, put("certified", True, 1), "the certificate beside its breaking edits does not hold"),
        (2, put("settled", False, None), "the verdict that it is settled does not hold"),
        (1, put("lower_margin", 99.0, None), "the lower margin does not hold"),
        (2, put("lower_margin", 99.0, 2), "the lower margin does not hold"),
        (
            1,
            lambda info: [
                info[name].pop()
                for name in ("graphs", "certified", "settled", "lower_margin", "witnesses")
            ],
            "not the test graphs",
        ),
        (
            1,
            lambda info: info["witnesses"].pop(),
            "expected a certificate's `witnesses` to say something of each of its 18 graphs",
        ),
        (1, lambda info: info.pop("witnesses"), "expected a certificate's `witnesses`, got"),
        (
            1,
            put("witnesses", ["no edits"], 1),
            "expected a certificate's `witnesses` to hold null or [added, removed]",
        ),
        (
            1,
            lambda info: info.update(certified=list(map(int, info["certified"]))),
            "expected a certificate's `certified` to hold",
        ),
        (1, lambda info: info["threat"].update(budget=2), "its threat is not that of its step"),
        (1, lambda info: info["threat"].update(budget=True), "expected a certificate's `threat`"),
        (
            1,
            lambda info: info.update(victim="another"),
            "not the artifact that the result rests on",
        ),
        (
            1,
            lambda info: info.update(dataset="another"),
            "not the artifact that the result rests on",
        ),
        (
            1,
            lambda info: info.update(dataset=["another"]),
            "expected a certificate's `dataset` to be a digest",
        ),
    ],
)
def test_a_forged_certificate_with_a_valid_checksum_is_named(
    spoilt, certificates, command, budget, change, what
):
    path = path_of(spoilt, certificates[budget])
    forge(path, change)
    answer = command("replay", spoilt)
    assert answer.code == 1
    (line,) = [line for line in answer.out.splitlines() if line.startswith("FAILED")]
    assert path.name in line
    assert what in line
    assert "1 of 3 certificates do not hold" in answer.err


def test_a_pair_that_breaks_a_graph_said_to_be_certified_is_found_where_pairs_are_few(
    spoilt, certificates, command
):
    forge(path_of(spoilt, certificates[2]), claim(2))
    answer = command("replay", spoilt)
    assert answer.code == 1
    assert "the certificate does not hold for graph" in answer.out


def test_where_a_search_is_long_a_claim_is_taken_on_trust_and_the_verdict_says_so(
    spoilt, certificates, command, monkeypatch
):
    monkeypatch.setattr(again, "MOST_EVALUATIONS", 1)
    for budget in (2, 3):  # or the one would refute the other
        forge(path_of(spoilt, certificates[budget]), claim(2))
    answer = command("replay", spoilt)
    assert "audit.json, report.md" in answer.err  # they are of the certificate as it was
    assert command("report", spoilt).code == 0
    answer = command("replay", spoilt)
    name = path_of(spoilt, certificates[2]).name
    (line,) = [line for line in answer.out.splitlines() if name in line]
    assert line.startswith("holds")
    assert "certified on trust: not all their sets of edits are searched again" in line


@pytest.mark.parametrize("budget", [1, 2, 3])
@pytest.mark.parametrize("most", [1, 2_000_000])
def test_no_lower_margin_can_be_moved(proofs, certificates, monkeypatch, budget, most):
    """Neither up nor down, nor left out, nor made up: of what is certified, open, or broken."""
    monkeypatch.setattr(again, "MOST_EVALUATIONS", most)
    step, store = certificates[budget], RunFolder(proofs).store
    held = {role: store.load(needed.key) for role, needed in step.inputs.items()}
    subject = Subject(dataset_of(held["dataset"]), victim_of(held["victim"]), "components")
    threat, limits = (
        step.settings["threat"],
        MostTried(*(step.settings[name] for name in ("pairs", "evaluations", "sets"))),
    )
    told = store.load(step.key).info

    def problems(place: int | None = None, margin: float | None = None) -> list[str]:
        info = copy.deepcopy(told)
        if place is not None:
            info["lower_margin"][place] = margin
        stored = stored_certificate(info, step.key)
        return check_certificate(stored, subject, threat, limits).problems

    assert problems() == []
    for place, margin in enumerate(told["lower_margin"]):
        others = (
            {None, 0.5} if margin is None else {None, margin + 0.5, margin - 0.5, -margin - 0.5}
        )
        for other in others - {margin}:
            (problem,) = problems(place, other)
            assert problem == f"the lower margin does not hold for graph {told['graphs'][place]}"


def test_certificates_of_one_victim_check_each_other(spoilt, certificates, command):
    two, three = (path_of(spoilt, certificates[budget]) for budget in (2, 3))
    before = Artifact.read(two).info
    place = place_of(before, 2)

    def found_there(info: dict[str, Any]) -> None:
        info["witnesses"][place], info["settled"][place] = before["witnesses"][place], True

    forge(three, found_there)
    assert "FAILED" not in command("replay", spoilt).out  # as good a witness as any
    forge(two, claim(2))
    answer = command("replay", spoilt)
    (line,) = [line for line in answer.out.splitlines() if line.startswith("FAILED")]
    assert two.name in line
    assert (
        "the certificate beside edits of another result does not hold for graph "
        f"{before['graphs'][place]}" in line
    )
    # What breaks nothing is the fault of who says so.
    forge(two, lambda info: info.update(before))
    forge(three, lambda info: info["witnesses"][place][0].pop())
    (line,) = [
        line for line in command("replay", spoilt).out.splitlines() if line.startswith("FAILED")
    ]
    assert three.name in line


def test_a_witness_that_changes_the_class_is_found_whatever_is_allowed(proofs, certificates):
    step, store = certificates[1], RunFolder(proofs).store
    held = {role: store.load(needed.key) for role, needed in step.inputs.items()}
    dataset, victim = dataset_of(held["dataset"]), victim_of(held["victim"])
    info = copy.deepcopy(store.load(step.key).info)
    place = dataset.part(dataset.test).y.tolist().index(1)
    graph = dataset.part(dataset.test[[place]])
    info["witnesses"][place] = [
        [[0, int((graph.components != graph.components[0]).nonzero()[0])]],
        [],
    ]
    loose = replace(step.settings["threat"], within_component=False)
    subject, little = Subject(dataset, victim, "components"), MostTried(1, 1, 1)
    problems = check_certificate(
        stored_certificate(info, step.key), subject, loose, little
    ).problems
    assert (
        f"the true class after the edits does not hold for graph {int(dataset.test[place])}"
        in problems
    )
    tight = step.settings["threat"]
    problems = check_certificate(
        stored_certificate(info, step.key), subject, tight, little
    ).problems
    assert "its ends lie in two components" in problems[-1]


def test_missing_damaged_and_exchanged_certificates_are_named(suite, spoilt, certificates, command):
    paths = [path_of(spoilt, certificates[budget]) for budget in (1, 2, 3)]
    paths[0].write_bytes(paths[1].read_bytes())
    content = bytearray(paths[1].read_bytes())
    content[-3] ^= 1
    paths[1].write_bytes(bytes(content))
    paths[2].unlink()
    answer = command("replay", spoilt)
    assert answer.code == 1
    words = ("FAILED", "FAILED", "missing")
    told = [line for line in answer.out.splitlines() if line.startswith(words)]
    for path, word, line in zip(paths, words, told, strict=True):
        assert line.startswith(f"{word}  {path.name}")
    assert "its threat is not that of its step" in told[0]
    assert "2 of 2 certificates do not hold; 1 result is missing" in answer.err
    next((spoilt / "records").glob("*.jsonl")).unlink()
    answer = command("replay", spoilt)
    assert "2 of 2 certificates do not hold; 2 results are missing" in answer.err


def test_a_certificate_of_another_data_set_is_computed_again(suite, spoilt, certificates, command):
    path = path_of(spoilt, certificates[1])
    before = Artifact.read(path).info
    forge(path, lambda info: info.update(dataset="another"))
    answer = command("run", suite, "--out", spoilt, "--workers", "1")
    assert "rests on another artifact" in answer.err
    assert Artifact.read(path).info == before


@pytest.mark.parametrize("name", ["dataset", "witnesses"])
def test_what_a_run_does_not_write_is_set_aside_and_computed_again(
    suite, spoilt, certificates, command, name
):
    path = path_of(spoilt, certificates[1])
    before = Artifact.read(path).info
    forge(path, lambda info: info.pop(name))
    assert command("report", spoilt).code == 0  # without it
    answer = command("run", suite, "--out", spoilt, "--workers", "1")
    assert answer.code == 0
    assert f"{path.name}: expected a certificate's `{name}`" in answer.err
    assert "set aside" in answer.err
    assert Artifact.read(path).info == before


def test_a_shortened_list_of_measurements_is_noticed(spoilt, command):
    manifest = spoilt / "run.json"
    content = json.loads(manifest.read_text())
    measurements = content["measurements"][1:]
    manifest.write_text(json.dumps({**content, "measurements": measurements}))
    answer = command("replay", spoilt)
    assert answer.code == 1
    assert "run.json: its list of measurements is not that of its suite" in answer.out
    assert "run.json does not hold" in answer.err
