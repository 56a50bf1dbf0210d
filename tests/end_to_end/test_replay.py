"""Replay works from the stored edits, verdicts, graphs and weights: flip one of any of them and it
says so, by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from spoiling import compact, record_text

from robust_augcl.registry import makers
from robust_augcl.results.records import Record
from robust_augcl.review.proofs import check_record
from robust_augcl.review.subject import Subject
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.run_folder import RunFolder


@pytest.fixture(scope="module")
def tiny(pair_suite: Path) -> Path:
    return pair_suite


@pytest.fixture(scope="module")
def finished(pair: Path) -> Path:
    return pair


def record_paths(folder: Path) -> list[Path]:
    return sorted((folder / "records").glob("*.jsonl"))


def change_line(path: Path, number: int, change: Callable[[dict[str, Any]], None]) -> None:
    lines = path.read_text().splitlines()
    content = json.loads(lines[number])
    change(content)
    lines[number] = json.dumps(content, separators=(",", ":"))
    path.write_text("\n".join(lines) + "\n")


def forge(path: Path, change: Callable[[Record], Record]) -> Record:
    """Change a record and give it a valid checksum again, as somebody would who knows the
    format.
    """
    record = change(Record.loads(path.read_text(), path.name))
    path.write_text(record.dumps())
    return record


def test_every_record_of_an_honest_run_holds(finished, command):
    answer = command("replay", finished)
    assert answer.code == 0
    assert "All 8 records hold." in answer.out
    assert answer.out.count("holds ") == 8


@pytest.mark.parametrize(
    "change",
    [
        lambda o: o.update(attacked=(o["attacked"] + 1) % 3),
        lambda o: o.update(clean=(o["clean"] + 1) % 3),
        lambda o: o.update(label=(o["label"] + 1) % 3),
        lambda o: o.update(added=[[0, 1]]),
        lambda o: o.update(attacked_margin=o["attacked_margin"] + 1),
    ],
    ids=["verdict", "clean verdict", "class", "edit", "margin"],
)
def test_one_flipped_value_of_a_record_is_named(copied, command, change):
    path = record_paths(copied)[3]
    change_line(path, 2, change)
    answer = command("replay", copied)
    assert answer.code == 1
    assert f"FAILED  {path.name}" in answer.out
    assert "1 of 8 records do not hold" in answer.err


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda o: replace(o, attacked=(o.attacked + 1) % 3), "attacked prediction"),
        (lambda o: replace(o, clean=(o.clean + 1) % 3), "clean prediction"),
        (lambda o: replace(o, label=(o.label + 1) % 3), "class"),
        (lambda o: replace(o, attacked_margin=o.attacked_margin - 1), "attacked margin"),
        (lambda o: replace(o, added=[*o.added, [0, 1], [0, 2]]), "edits, its budget is 1"),
        (lambda o: replace(o, added=[[0, 99]]), "a node that does not exist"),
    ],
    ids=["verdict", "clean verdict", "class", "margin", "budget", "node"],
)
def test_a_forged_record_with_a_valid_checksum_is_named_with_its_graph(
    copied, command, change, what
):
    path = record_paths(copied)[5]
    record = forge(
        path, lambda r: replace(r, outcomes=[r.outcomes[0], change(r.outcomes[1]), *r.outcomes[2:]])
    )
    answer = command("replay", copied)
    assert answer.code == 1
    (line,) = [line for line in answer.out.splitlines() if line.startswith("FAILED")]
    assert path.name in line
    assert what in line
    assert (
        str(record.outcomes[1].graph if "edits" not in what and "node" not in what else 1) in line
    )


def test_a_forged_threat_model_does_not_hide_a_changed_class(copied, command):
    """Two components joined by an edge are one: counting them again finds it, whatever the record
    says is allowed.
    """
    path = record_paths(copied)[0]
    folder = RunFolder(copied)
    record = Record.loads(path.read_text(), path.name)
    dataset, victim = (
        dataset_of(folder.store.load(record.dataset.key)),
        victim_of(folder.store.load(record.victim.key)),
    )
    place = next(i for i, o in enumerate(record.outcomes) if o.label == 1)
    graph = dataset.part(dataset.test[[place]])
    other = int((graph.components != graph.components[0]).nonzero()[0])

    def join(r: Record) -> Record:
        outcomes = list(r.outcomes)
        outcomes[place] = replace(outcomes[place], added=[[0, other]])
        return replace(r, outcomes=outcomes, threat={**r.threat, "within_component": False})

    forged = forge(path, join)
    answer = command("replay", copied)
    assert answer.code == 1
    assert "its threat are not those of its step" in answer.out
    assert any(
        "true class after the edits does not hold for graph" in problem
        for problem in check_record(forged, Subject(dataset, victim, "components"))
    )


def test_left_out_graphs_are_noticed(copied, command):
    path = record_paths(copied)[1]
    forge(path, lambda r: replace(r, outcomes=r.outcomes[:-1]))
    answer = command("replay", copied)
    assert answer.code == 1
    assert "not the test graphs" in answer.out


def test_a_record_under_the_name_of_another_is_noticed(tiny, copied, command):
    first, second = record_paths(copied)[:2]
    second.write_text(first.read_text())
    assert command("replay", copied).code == 1
    assert command("report", copied).code == 0  # from the records that are what they should be
    answer = command("run", tiny, "--out", copied, "--workers", "1")
    assert answer.code == 0
    assert f"{second.name}: expected the record of that step" in answer.err
    assert command("replay", copied).code == 0


@pytest.mark.parametrize(
    "what",
    [
        "cell",
        "label_rule",
        "attack_settings",
        "method_settings",
        "traits",
        "method_traits",
        "made_by",
    ],
)
def test_a_record_that_says_it_is_about_something_else_is_noticed(copied, command, what):
    changes = {
        "cell": lambda r: replace(r, cell=replace(r.cell, method="another")),
        "label_rule": lambda r: replace(r, label_rule="none"),
        "attack_settings": lambda r: replace(r, attack_settings={"type": "Exhaustive", "depth": 2}),
        "method_settings": lambda r: replace(r, method_settings={"type": "AUGCL", "reward": 1.5}),
        "traits": lambda r: replace(r, traits=replace(r.traits, claims_exact=not r.is_exact)),
        "method_traits": lambda r: replace(r, method_traits=replace(r.method_traits, name="best")),
        "made_by": lambda r: replace(r, made_by={**r.made_by, "attack": {"name": "another"}}),
    }
    forge(record_paths(copied)[0], changes[what])
    answer = command("replay", copied)
    assert answer.code == 1
    assert f"its {what} are not those of its step" in answer.out


def exhaustive_path(folder: Path) -> Path:
    return next(
        path for path in record_paths(folder) if '"attack":"exhaustive"' in path.read_text()
    )


@pytest.mark.parametrize(
    ("forged", "named"),
    [
        # No edits, so every target that was right stands: a forged robustness.
        (
            lambda o: replace(
                o, added=[], attacked=o.clean, attacked_margin=o.clean_margin, exact=True
            ),
            "the claim to be exact does not hold",
        ),
        (lambda o: replace(o, exact=False), "the word that it is not exact does not hold"),
        (lambda o: replace(o, exact=int(o.exact)), "exact` to be true or false, got"),
    ],
)
def test_a_forged_word_on_exactness_is_noticed(copied, command, forged, named):
    forge(exhaustive_path(copied), lambda r: replace(r, outcomes=[forged(o) for o in r.outcomes]))
    answer = command("replay", copied)
    assert answer.code == 1
    assert named in answer.out


def test_who_claims_nothing_cannot_be_exact(copied, command):
    path = next(path for path in record_paths(copied) if '"attack":"rl_s2v"' in path.read_text())
    forge(path, lambda r: replace(r, outcomes=[replace(o, exact=True) for o in r.outcomes]))
    answer = command("replay", copied)
    assert answer.code == 1
    assert "the claim to be exact does not hold" in answer.out


def test_a_margin_that_is_no_number_is_noticed(copied, command):
    path = record_paths(copied)[0]
    header, *lines = map(json.loads, path.read_text().splitlines())
    forged = [compact({**line, "clean_margin": float("nan")}) for line in lines]
    path.write_text(record_text(header, forged))
    answer = command("replay", copied)
    assert answer.code == 1
    assert "`outcomes.0.clean_margin` to be" in answer.out


def test_records_of_another_version_of_ours_with_the_same_revisions_hold(
    copied, command, monkeypatch
):
    monkeypatch.setattr(makers, "__version__", "99.0")
    assert command("replay", copied).code == 0


def test_a_shortened_list_of_records_is_noticed(copied, command):
    manifest = json.loads((copied / "run.json").read_text())
    (copied / "run.json").write_text(json.dumps({**manifest, "records": manifest["records"][:3]}))
    answer = command("replay", copied)
    assert answer.code == 1
    assert "run.json: its list of records is not that of its suite" in answer.out


@pytest.mark.parametrize("kind", ["victim", "dataset", "attacker"])
def test_one_flipped_bit_of_an_artifact_is_named(copied, command, kind):
    path = sorted((copied / "artifacts").glob(f"{kind}-*.safetensors"))[0]
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))
    answer = command("replay", copied)
    assert answer.code == 1
    assert f"{path.name}: the artifact was altered" in answer.out


def test_other_weights_under_a_valid_checksum_are_named(copied, command):
    path = sorted((copied / "artifacts").glob("victim-*.safetensors"))[0]
    artifact = Artifact.read(path)
    tensors = {name: tensor.clone() for name, tensor in artifact.tensors.items()}
    tensors["model.head.2.bias"][0] += 0.25
    path.write_bytes(Artifact(tensors, artifact.info, artifact.about).dumps())
    answer = command("replay", copied)
    assert answer.code == 1
    assert f"{path.name}: not the artifact that the result rests on" in answer.out


def test_a_missing_record_or_artifact_is_named(copied, command):
    record = record_paths(copied)[0]
    record.unlink()
    victim = sorted((copied / "artifacts").glob("victim-*.safetensors"))[0]
    victim.unlink()
    answer = command("replay", copied)
    assert answer.code == 1
    assert record.name in answer.out
    assert victim.name in answer.out


def test_nothing_stored_is_a_pickle(finished):
    for path in finished.rglob("*"):
        if path.is_file():
            assert path.suffix in {
                ".safetensors",
                ".jsonl",
                ".json",
                ".md",
                ".html",
                ".csv",
                ".png",
                ".svg",
                ".log",
            }
        if path.suffix == ".safetensors":
            assert all(
                isinstance(t, torch.Tensor)
                for t in safetensors.torch.load(path.read_bytes()).values()
            )
