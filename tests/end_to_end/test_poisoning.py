"""A suite that poisons: it runs, is reported, audited and replayed, and no forgery passes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from command_line import call
from small_planetoid import run_on_planetoid

from robust_augcl.results.baseline import Baseline
from robust_augcl.results.records import ArtifactRef
from robust_augcl.results.statistics import by_group, estimate
from robust_augcl.review.replay import replay
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.steps.poisoning import judged
from robust_augcl.store.run_folder import RunFolder

SUITE = """
name = "poisoned-nodes"
seeds = [0]
[dataset]
source = "planetoid"
[split]
test = 0.8
validation = 0.1
[encoder]
name = "gcn_relu"
width = 6
[pretraining]
base = "grace"
warm_up_epochs = 2
continued_epochs = 2
[linear]
c = [0.1, 1.0]
[targets]
choice = "sampled"
count = 24
[threat]
budget = 0.5
operations = ["add", "delete"]
shared = true
setting = "poisoning"
[[methods]]
name = "grace"
[[attacks]]
name = "rand_sampling"
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A finished run, and the archives that it read."""
    return run_on_planetoid(SUITE, tmp_path_factory.mktemp("poisoned"))


@pytest.fixture
def copied(ran, tmp_path):
    shutil.copytree(ran / "run", tmp_path / "run")
    return RunFolder(tmp_path / "run")


def the_record(run):
    (record,) = run.load_records(run.existing_manifest().records).records
    return record


def verdicts_on(run):
    return replay(run, run.existing_manifest(), lambda verdict: None, quick_seconds=-1)


def problems_in(run):
    return [text for verdict in verdicts_on(run) for text in verdict.problems]


def test_every_table_names_the_setting_and_no_worst_case(ran):
    folder = ran / "run"
    for name in ("report.md", "report-appendix.md", "report.html"):
        text = (folder / name).read_text(encoding="utf-8")
        assert "poisoning: the model is trained again on the edited graph" in text, name
    assert "No worst case is known under poisoning" in (folder / "report.md").read_text()
    shown = call("show", folder)
    assert "poisoning: the model is trained again" in " ".join(shown.out.split())
    assert "setting poisoning" in call("show", folder, "--by-seed").out
    (row,) = json.loads(call("show", folder, "--format", "json").out)
    assert row["setting"] == "poisoning"
    (mean, *_) = json.loads((folder / "aggregated.json").read_text())["means"]
    assert (mean["setting"], mean["worst_high"]) == ("poisoning", None)


def test_it_is_audited_replayed_exported_and_gated_against_itself(ran):
    assert call("audit", ran / "run").code == 0
    answer = call("replay", ran / "run", "--archives", ran)
    assert answer.code == 0, answer.out + answer.err
    assert "the victim trained again on the edited graph gives the same weights" in answer.out
    assert "trained again all 1" in answer.out
    assert call("export", ran / "run", "-o", ran / "files").code == 0
    base = ran / "base.json"
    assert call("baseline", ran / "run", "-o", base).code == 0
    assert call("gate", ran / "run", "--baseline", base).code == 0


def test_replay_trains_again_when_warm_up_and_pretraining_are_gone(copied):
    for path in copied.store.artifacts.glob("*.safetensors"):
        if path.name.startswith(("warm_up", "pretraining")):
            path.unlink()
    found = [verdict for verdict in verdicts_on(copied) if verdict.kind == "poisoning record"]
    assert [verdict.problems for verdict in found] == [[]]
    assert "trained again" in found[0].proved


def test_a_forged_verdict_is_found(copied):
    record = the_record(copied)
    first, *others = record.outcomes
    forged = replace(first, attacked=1 - first.attacked, attacked_margin=-first.attacked_margin)
    write(copied, replace(record, outcomes=[forged, *others]))
    assert any("attacked prediction does not hold" in text for text in problems_in(copied))


def test_a_clean_victim_in_the_place_of_the_one_trained_again_is_found(copied):
    """All that it says is so of the stored weights: only training again tells."""
    record = the_record(copied)
    victim, retrained = (copied.load_artifact(ref) for ref in (record.victim, record.retrained))
    forged = replace(retrained, tensors=victim.tensors, info=victim.info)
    edited = dataset_of(copied.load_artifact(record.edited))
    classes, margins = judged(victim_of(forged), edited)
    outcomes = [
        replace(outcome, attacked=int(found), attacked_margin=round(float(margin), 6))
        for outcome, found, margin in zip(record.outcomes, classes, margins, strict=True)
    ]
    counted = {name: _accuracy(forged, edited, name) for name in ("train", "validation", "test")}
    forged = replace(forged, info={**forged.info, "accuracy": counted})
    copied.store.artifact_path(record.retrained.key).write_bytes(forged.dumps())
    moved = replace(
        record,
        outcomes=outcomes,
        retrained=ArtifactRef(record.retrained.key, forged.digest),
    )
    write(copied, moved)
    found = problems_in(copied)
    assert found
    assert all("its victim, trained again," in text for text in found), found


def _accuracy(victim, dataset, part):
    of_part = replace(dataset, chosen=getattr(dataset, part))
    classes, _ = judged(victim_of(victim), of_part)
    return float((classes == dataset.y[of_part.chosen]).double().mean())


def test_an_edit_more_than_the_record_says_is_found(copied):
    record = the_record(copied)
    edited = copied.load_artifact(record.edited)
    edits = edited.info["edits"]
    fewer = {**edits, "added": edits["added"][1:]}
    forged = replace(edited, info={**edited.info, "edits": fewer})
    copied.store.artifact_path(record.edited.key).write_bytes(forged.dumps())
    moved = replace(record, edited=ArtifactRef(record.edited.key, forged.digest))
    write(copied, moved)
    found = problems_in(copied)
    assert any("edited again it has other edge_index" in text for text in found), found
    assert any("not those of its edited data set" in text for text in found), found


@pytest.mark.parametrize("change", ["budget", "evasion"])
def test_a_record_of_another_threat_is_found(copied, change):
    record = the_record(copied)
    other = {"budget": 1.0} if change == "budget" else {}
    threat = {**record.threat, **other}
    if change == "evasion":
        del threat["setting"]
    moved = replace(record, threat=threat, cell=replace(record.cell, **other))
    write(copied, moved)
    assert problems_in(copied)


def write(run, record):
    run.store.record_path(record.key).write_text(record.dumps())


def test_it_is_not_mixed_with_evasion(ran, tmp_path):
    """Not in means, not by the gate, and not by whoever writes tables of both."""
    record = the_record(RunFolder(ran / "run"))
    threat = {name: value for name, value in record.threat.items() if name != "setting"}
    evasion = replace(record, threat=threat, edited=None, retrained=None)
    other_seed = replace(evasion, cell=replace(evasion.cell, seed=1))
    for mixed in (by_group, estimate):
        with pytest.raises(ValueError, match="one setting, got evasion and poisoning"):
            mixed([record, other_seed])
    base = tmp_path / "base.json"
    assert call("baseline", ran / "run", "-o", base).code == 0
    held = Baseline.loads(base.read_text(), "base")
    base.write_text(replace(held, threats=[threat]).dumps())
    answer = call("gate", ran / "run", "--baseline", base)
    assert answer.code == 3
    assert "`setting` was 'evasion', now 'poisoning'" in " ".join(answer.out.split())


def test_bad_words_of_a_setting_are_bad_input(ran):
    suite = ran / "suite.toml"
    for change, words in (
        ("threat.shared=false", "Expected `shared` to be true where `setting` is 'poisoning'"),
        ('threat.setting="both"', "Expected `setting` to be 'evasion' or 'poisoning'"),
    ):
        answer = call("run", suite, "--archives", ran, "--out", ran / "other", "--set", change)
        assert answer.code == 2
        assert words in answer.err
        assert len(answer.err.splitlines()) == 1
