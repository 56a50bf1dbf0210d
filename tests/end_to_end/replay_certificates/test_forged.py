"""Replay proves certificates too: what one says is forged, and the verdict names it."""

from __future__ import annotations

import json

import pytest
from forged_certificates import (
    UNKNOWN,
    at,
    claim,
    forge,
    half,
    is_certified,
    one_edit_breaks,
    path_of,
    put,
    two_edits_break,
)

from robust_augcl.store.artifact import Artifact


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


def test_a_shortened_list_of_measurements_is_noticed(spoilt, command):
    manifest = spoilt / "run.json"
    content = json.loads(manifest.read_text())
    measurements = content["measurements"][1:]
    manifest.write_text(json.dumps({**content, "measurements": measurements}))
    answer = command("replay", spoilt)
    assert answer.code == 1
    assert "run.json: its list of measurements is not that of its suite" in answer.out
    assert "run.json does not hold" in answer.err
