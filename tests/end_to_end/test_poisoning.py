"""A suite that poisons: it runs, is reported, audited and replayed, and no forgery passes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch
from command_line import call
from small_planetoid import run_on_planetoid

from robust_augcl.plan.step import with_inputs
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.outcome import SharedEdits
from robust_augcl.results.records import ArtifactRef
from robust_augcl.results.statistics import by_group, estimate
from robust_augcl.review.poisoning_proof import computed
from robust_augcl.review.replay import replay
from robust_augcl.review.stored_run import StoredRun
from robust_augcl.review.trust import table
from robust_augcl.steps.artifacts import dataset_artifact, dataset_of, victim_of
from robust_augcl.steps.poisoning import edited_data, judged
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.threat.perturbations import Perturbation

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


def verdicts_on(run, quick_seconds=-1):
    return replay(run, run.existing_manifest(), lambda verdict: None, quick_seconds=quick_seconds)


def problems_in(run):
    return [text for verdict in verdicts_on(run) for text in verdict.problems]


def test_every_table_names_the_setting_and_no_worst_case(ran):
    folder = ran / "run"
    for name in ("report.md", "report-appendix.md", "report.html"):
        text = (folder / name).read_text(encoding="utf-8")
        assert "Poisoning: the model is trained again on the edited graph" in text, name
    assert "No worst case is known under poisoning" in (folder / "report.md").read_text()
    shown = call("show", folder)
    assert "Poisoning: the model is trained again" in " ".join(shown.out.split())
    assert "setting poisoning" in call("show", folder, "--by-seed").out
    (row,) = json.loads(call("show", folder, "--format", "json").out)
    assert row["setting"] == "poisoning"
    (mean, *_) = json.loads((folder / "aggregated.json").read_text())["means"]
    assert (mean["setting"], mean["worst_high"]) == ("poisoning", None)


def test_it_is_audited_replayed_exported_and_gated_against_itself(ran):
    audited = call("audit", ran / "run")
    assert audited.code == 0
    why = "Under poisoning none can be known: each edit trains another model"
    assert " ".join(audited.out.split()).count(why) == 2
    transferred = call("transfer", ran / "run")
    assert transferred.code == 0
    assert transferred.out.startswith("Edits of poisoning are not transferred: each model")
    assert json.loads(call("transfer", ran / "run", "--format", "json").out) == []
    answer = call("replay", ran / "run", "--archives", ran)
    assert answer.code == 0, answer.out + answer.err
    assert "the victim trained again on the edited graph gives the same weights" in answer.out
    assert "trained again all 1" in answer.out
    assert "edits, queries, gradient_calls (allowed; that the attack made them" in answer.out
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


@pytest.mark.parametrize("when", ["clean", "attacked"])
def test_a_forged_verdict_is_found(copied, when):
    """The checksums are right: whoever forges writes them anew."""
    record = the_record(copied)
    first, *others = record.outcomes
    margin = f"{when}_margin"
    said = {when: 1 - getattr(first, when), margin: -getattr(first, margin)}
    write(copied, replace(record, outcomes=[replace(first, **said), *others]))
    found = problems_in(copied)
    assert any(f"{when} prediction does not hold" in text for text in found), found


def test_a_clean_victim_in_the_place_of_the_one_trained_again_is_found(copied):
    """All that it says is so of the stored weights: only training again tells."""
    put_clean_victim(copied)
    found = problems_in(copied)
    assert [text for text in found if "its victim, trained again," in text] == found != []


@pytest.mark.parametrize(
    "elsewhere", [{"versions": {"torch": "1"}}, {"threads": 2}, {"device": "cuda"}]
)
def test_no_forged_environment_makes_a_forged_verdict_hold(copied, elsewhere):
    """The bits may be others there. So it is no fault, and it is not said to hold."""
    put_clean_victim(copied, elsewhere)
    found = {verdict.kind: verdict for verdict in verdicts_on(copied)}["poisoning record"]
    assert (found.problems, found.on_trust) == ([], True)
    answer = call("replay", copied.path, "--again", 0)
    assert answer.code == 1  # the audit and the report are not those of the forged record
    assert "On trust: 1 poisoning record." in answer.out.splitlines()
    assert "All 1 poisoning record" not in answer.out
    (line,) = [line for line in answer.out.splitlines() if "  poisoning-" in line]
    assert line.startswith("on trust  ")
    assert line.endswith(f"made with {words_of(elsewhere)}")
    (row,) = [line for line in answer.out.splitlines() if "record: attacked, attacked" in line]
    assert row.startswith("on trust  ")


def words_of(elsewhere):
    ((name, value),) = elsewhere.items()
    if isinstance(value, dict):
        return " and ".join(f"{k} {value.get(k, 'unknown')}" for k in LIBRARIES)
    return f"{name} {value}"


LIBRARIES = ("python", "torch", "torch-geometric", "numpy", "scipy", "scikit-learn")


def put_clean_victim(run, elsewhere=None):
    """Put the clean victim in the place of the one trained again, and its verdicts beside it."""
    record = the_record(run)
    victim, retrained = (run.load_artifact(ref) for ref in (record.victim, record.retrained))
    made = {**retrained.about["environment"], **(elsewhere or {})}
    about = {**retrained.about, "environment": made}
    forged = replace(retrained, tensors=victim.tensors, info=victim.info, about=about)
    judge_again(run, record, forged)


def judge_again(run, record, retrained):
    """Write a victim in the place of the one trained again, and what it says of all targets."""
    edited = dataset_of(run.load_artifact(record.edited))
    classes, margins = judged(victim_of(retrained), edited)
    outcomes = [
        replace(outcome, attacked=int(found), attacked_margin=round(float(margin), 6))
        for outcome, found, margin in zip(record.outcomes, classes, margins, strict=True)
    ]
    counted = {name: _accuracy(retrained, edited, name) for name in ("train", "validation", "test")}
    retrained = replace(retrained, info={**retrained.info, "accuracy": counted})
    path = run.store.artifact_path(record.retrained.key)
    path.write_bytes(retrained.dumps())
    ref = ArtifactRef(record.retrained.key, retrained.digest)
    write(run, replace(record, outcomes=outcomes, retrained=ref))


def edited_otherwise(run, added, **about):
    """Write other edits, and the graph after them: everything but the training fits."""
    record = the_record(run)
    stored, clean = (run.load_artifact(ref) for ref in (record.edited, record.dataset))
    edges = torch.tensor(added, dtype=torch.long).reshape(-1, 2).T
    edits = {"added": added, "removed": []}
    made = dataset_artifact(edited_data(dataset_of(clean), Perturbation(added=edges)), {})
    forged = replace(
        stored,
        tensors=made.tensors,
        info={**stored.info, "edits": edits},
        about={**stored.about, **about},
    )
    run.store.artifact_path(record.edited.key).write_bytes(forged.dumps())
    ref = ArtifactRef(record.edited.key, forged.digest)
    moved = replace(record, edited=ref, shared_edits=SharedEdits(**edits))
    write(run, moved)
    return moved


def fewer(run):
    """The first ten of the edges that the attack added."""
    return the_record(run).shared_edits.added[:10]


@pytest.mark.parametrize("edits", [lambda run: [], fewer], ids=["emptied", "swapped"])
def test_other_edits_under_the_same_verdicts_are_found(copied, edits):
    """The edited graph is the one after these edits; the victim was trained on another."""
    edited_otherwise(copied, edits(copied))
    found = problems_in(copied)
    assert any("the attacked margin does not hold" in text for text in found), found


def with_all_trained_again(run, **about):
    """A record of edits that the attack did not make; everything else is honest work."""
    record = edited_otherwise(run, fewer(run), **about)
    plan = StoredRun(run, run.existing_manifest())
    step = plan.records[record.key]
    known = {step.inputs["edited"].key: run.load_artifact(record.edited)}
    made = computed(step.inputs["retrained"], known)
    stored = run.load_artifact(record.retrained)
    for needed in with_inputs([step.inputs["retrained"]]):  # of the graph after the other edits
        if needed.kind in ("warm_up", "pretraining"):
            run.store.path(needed).unlink()
    judge_again(run, record, replace(made, about=stored.about))


def test_edits_that_the_attack_does_not_make_are_found_where_it_proposes_again(copied):
    with_all_trained_again(copied)
    found = [text for verdict in verdicts_on(copied, 60) for text in verdict.problems]
    assert any("computed again it has other edits" in text for text in found), found
    assert "its edits are not those that its attack makes" in found


def test_that_the_attack_made_the_edits_is_on_trust_where_it_does_not_propose_again(copied):
    with_all_trained_again(copied, seconds=900.0)
    verdicts = verdicts_on(copied, 60)
    assert [text for verdict in verdicts for text in verdict.problems] == []
    (found,) = [verdict for verdict in verdicts if verdict.kind == "poisoning record"]
    told = "the edits are allowed, that the attack made them is on trust (took longer than 60 s)"
    assert found.proved.endswith(told)
    for row in table(verdicts):
        if "edits" in row.fields:
            assert row.how == "on trust", row
            assert "that the attack made them: computed again 0 of 1; 1 on trust: took" in row.why


def test_no_forged_environment_makes_edits_hold_that_the_attack_does_not_make(copied):
    made = the_record(copied).environment
    with_all_trained_again(copied, environment={**made, "versions": {"torch": "1"}})
    verdicts = verdicts_on(copied, 60)
    (found,) = [verdict for verdict in verdicts if verdict.kind == "poisoning record"]
    assert (found.problems, found.on_trust) == ([], True)
    assert "rests on edited_data-" in found.doubt


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


@pytest.mark.parametrize("field", ["queries", "gradient_calls"])
def test_questions_that_the_attack_did_not_ask_are_found(copied, field):
    """They are the attack's, which is not run for the record: its edited data set has them."""
    record = the_record(copied)
    write(copied, replace(record, **{field: getattr(record, field) + 5}))
    assert problems_in(copied) == [f"its {field} are not those of its edited data set"]


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
