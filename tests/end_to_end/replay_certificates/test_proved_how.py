"""Replay proves a certificate by search, by margins, by other certificates, or says: on trust."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from forged_certificates import (
    claim,
    forge,
    path_of,
    place_of,
)

from robust_augcl.oracle.certifier import MostTried
from robust_augcl.results.measurements import stored_certificate
from robust_augcl.review import again
from robust_augcl.review.certificate_proof import check_certificate
from robust_augcl.review.subject import Subject
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.run_folder import RunFolder


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


@pytest.mark.parametrize("evaluations", [1, 2, 2_000_000])
def test_a_step_that_allows_little_keeps_no_claim_from_being_searched(
    proofs, certificates, evaluations
):
    step, store = certificates[3], RunFolder(proofs).store
    held = {role: store.load(needed.key) for role, needed in step.inputs.items()}
    subject = Subject(dataset_of(held["dataset"]), victim_of(held["victim"]), "components")
    info = copy.deepcopy(store.load(step.key).info)
    claim(2)(info)
    stored = stored_certificate(info, step.key)
    limits = MostTried(step.settings["pairs"], evaluations, step.settings["sets"])
    proof = check_certificate(stored, subject, step.settings["threat"], limits)
    assert any("certificate does not hold" in problem for problem in proof.problems)


@pytest.mark.parametrize(("budget", "most"), [(1, 1), (1, 10**9), (2, 10**9), (3, 10**9)])
def test_no_lower_margin_can_be_moved(proofs, certificates, monkeypatch, budget, most):
    """Neither up nor down, nor left out, nor made up: of what is certified, open, or broken."""

    def others(margin: float | None) -> set[float | None]:
        return {None, 0.5} if margin is None else {None, margin + 0.5, margin - 0.5, -margin - 0.5}

    assert_none_of_them(proofs, certificates, monkeypatch, budget, most, others)


@pytest.mark.parametrize("budget", [2, 3])
def test_no_lower_margin_can_be_what_no_search_finds(proofs, certificates, monkeypatch, budget):
    """Also where it is taken on trust: below zero, or above what a single edit leaves."""

    def others(margin: float | None) -> set[float | None]:
        return {0.5} if margin is None else {None, -0.5, 1000.0}

    assert_none_of_them(proofs, certificates, monkeypatch, budget, 1, others)


def assert_none_of_them(proofs, certificates, monkeypatch, budget, most, others):
    """That none of the `others` passes in the place of a lower margin."""
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
        for other in others(margin) - {margin}:
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
