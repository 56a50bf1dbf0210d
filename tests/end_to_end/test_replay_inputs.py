"""What results rest on is not believed: data sets, splits, victims, attackers, and what they cost.

Every forgery here matches in itself: checksums and digests are right, and all that comes after what
was changed is computed from it.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from forged_inputs import Forger, with_info, with_tensor

from robust_augcl.results.records import Record
from robust_augcl.review.replay import replay
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.run_folder import RunFolder

AFTER_DATA = ("warm_up", "pretraining", "victim", "attacker", "representation", "certificate")
AFTER_VICTIM = ("attacker", "certificate")


def replayed(command, forger):
    """Replay, with time to compute again whatever was quick on any machine."""
    return command("replay", forger.folder, "--again", 60)


def failed(answer) -> list[str]:
    assert answer.code == 1, answer.out
    return [line for line in answer.out.splitlines() if line.startswith("FAILED")]


def test_an_honest_run_holds_and_says_what_was_computed_again(everything, command):
    answer = command("replay", everything, "--again", 60)
    assert answer.code == 0
    assert "All 6 records and 2 certificates and 2 representations hold." in answer.out
    assert "60 targets" in answer.out
    assert "split again, made again from their source" in answer.out
    fields = "x, edge_index, ptr, y, edge_attr, added_edge, notes"
    assert f"made again  data set: {fields} (all 1)" in answer.out
    assert "on trust  record: pretrain_seconds" in answer.out


# --- data sets ------------------------------------------------------------------------------------


def reduced(made: Artifact) -> Artifact:
    """Only the first class is tested; the other graphs go to those for training."""
    test, y = made.tensors["test"], made.tensors["y"]
    easy = y[test] == 0
    train = torch.cat([made.tensors["train"], test[~easy]]).sort().values
    return replace(made, tensors={**made.tensors, "test": test[easy], "train": train})


def with_a_graph_twice(made: Artifact) -> Artifact:
    """The first test graph stands in the place of the second."""
    test = made.tensors["test"].clone()
    test[1] = test[0]
    return replace(made, tensors={**made.tensors, "test": test})


def with_one_content_twice(made: Artifact) -> Artifact:
    """The edges of the last graph are shifted within it: another graph, of the same class."""
    edges, first = made.tensors["edge_index"].clone(), int(made.tensors["ptr"][-2])
    last = edges >= first
    edges[last] = int(made.tensors["ptr"][-1]) - 1 - (edges[last] - first)
    order = torch.argsort(edges[0].long() * 10**6 + edges[1].long())
    return replace(made, tensors={**made.tensors, "edge_index": edges[:, order]})


def swapped_sets(made: Artifact) -> Artifact:
    """A test graph is exchanged for a training graph of its class."""
    test, train, y = (made.tensors[name].clone() for name in ("test", "train", "y"))
    other = int((y[train] == y[test[0]]).nonzero()[0])
    test[0], train[other] = train[other].clone(), test[0].clone()
    return replace(
        made, tensors={**made.tensors, "test": test.sort().values, "train": train.sort().values}
    )


@pytest.mark.thorough(but=["swapped", "repeated", "labels"])
@pytest.mark.parametrize(
    ("change", "named", "matches"),
    [
        (reduced, "split again it has other", True),
        (swapped_sets, "split again it has other", True),
        (with_a_graph_twice, "each target once", False),
        (with_one_content_twice, "computed again it has other edge_index", True),
        (with_info(num_classes=4), "split again it has other num_classes", True),
        (with_tensor("x", lambda x: 2 * x), "computed again it has other x", True),
        (with_tensor("y", lambda y: y.roll(1)), "computed again it has other", False),
    ],
    ids=["reduced", "swapped", "repeated", "other graph", "classes", "features", "labels"],
)
def test_a_forged_data_set_is_noticed(forger, command, change, named, matches):
    path = forger.artifact("dataset")
    forger.change_artifact(path, change)
    if matches:  # elsewhere a run refuses to go on
        forger.compute_after(*AFTER_DATA)
    lines = failed(replayed(command, forger))
    (line,) = [line for line in lines if path.name in line.partition(":")[0]]
    assert named in line


def test_one_graph_for_training_and_for_test_is_noticed(forger, command):
    def leak(made: Artifact) -> Artifact:
        train = torch.cat([made.tensors["train"], made.tensors["test"][:1]]).sort().values
        return replace(made, tensors={**made.tensors, "train": train})

    forger.change_artifact(forger.artifact("dataset"), leak)
    assert any("each target once" in line for line in failed(replayed(command, forger)))


def test_a_data_set_that_is_none_is_noticed_without_a_traceback(forger, command):
    forger.change_artifact(forger.artifact("dataset"), with_tensor("ptr", lambda ptr: ptr[:0]))
    assert any("dataset-" in line for line in failed(replayed(command, forger)))


# --- victims --------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_another_methods_victim_is_noticed(forger, command):
    """With records and certificates that match, and a header that says what it should be."""
    own, other = (forger.artifact("victim", method) for method in ("augcl", "graphcl"))
    better = Artifact.read(other)
    forger.change_artifact(
        own, lambda made: replace(made, tensors=better.tensors, info=better.info)
    )
    forger.compute_after(*AFTER_VICTIM)
    lines = [line for line in failed(replayed(command, forger)) if own.name in line]
    assert any(f"its weights are those of {other.stem}" in line for line in lines)


@pytest.mark.thorough
def test_a_victim_under_the_name_of_another_is_noticed(forger, command):
    own, other = (forger.artifact("victim", method) for method in ("augcl", "graphcl"))
    forger.change_artifact(own, lambda made: Artifact.read(other))
    forger.compute_after(*AFTER_VICTIM)
    lines = failed(replayed(command, forger))
    assert any("it says that it is of 'graphcl, 2 layers, seed 0'" in line for line in lines)


def of_a_longer_training(made: Artifact) -> Artifact:
    """Another ending, of which all that a victim says of its training is told alike."""
    info, last = made.info, min(made.info["losses"]) / 2
    losses = [*info["losses"][:-1], last]
    selected = {**info["selected"], "epoch": len(losses), "loss": last}
    return replace(made, info={**info, "losses": losses, "selected": selected})


@pytest.mark.thorough(but=["a bit of a bias"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (with_tensor("model.head.2.bias", lambda bias: bias + 1e-6), "computed again it has other"),
        (of_a_longer_training, "computed again it has other"),
        (
            with_info(selected={"epoch": 1, "loss": 0.1, "accuracy": 1.0}),
            "its selected is not the epoch of its lowest loss",
        ),
        (
            lambda made: replace(
                made, info={**made.info, "train_losses": [*made.info["train_losses"], 0.5]}
            ),
            "its number of epochs is not that of its step",
        ),
    ],
    ids=["a bit of a bias", "another last loss", "selection", "one more epoch"],
)
def test_a_victim_that_training_does_not_give_is_noticed(forger, command, change, told):
    path = forger.artifact("victim", "augcl")
    forger.change_artifact(path, change)
    forger.compute_after(*AFTER_VICTIM)
    lines = [line for line in failed(replayed(command, forger)) if path.name in line]
    assert any(told in line for line in lines)


@pytest.mark.thorough(but=["notes"])
@pytest.mark.parametrize("name", ["num_classes", "notes", "layers", "head_hidden"])
def test_a_header_that_is_not_that_of_the_plan_is_noticed(forger, command, name):
    other = {"num_classes": 4, "notes": ["x"], "layers": 3, "head_hidden": 7}[name]
    path = forger.artifact("victim", "augcl")
    forger.change_artifact(path, with_info(**{name: other}))
    lines = [line for line in failed(replayed(command, forger)) if path.name in line]
    assert any(f"its {name} are not those of its step" in line for line in lines)


# --- records --------------------------------------------------------------------------------------


@pytest.mark.thorough(but=["grad_argmax-changes0-*", "rand_sampling-changes3-*"])
@pytest.mark.parametrize(
    ("attack", "changes", "named"),
    [
        ("grad_argmax", {"queries": 1}, "computed again it has other queries"),
        ("grad_argmax", {"gradient_calls": 0}, "computed again it has other gradient_calls"),
        ("rl_s2v", {"queries": 10**6}, "computed again it has other queries"),
        ("rand_sampling", {"num_classes": 4}, "its num_classes are not those of its step"),
        ("rand_sampling", {"notes": ["fine"]}, "its notes are not those of its step"),
    ],
)
def test_a_forged_field_of_a_record_is_noticed(forger, command, attack, changes, named):
    path = forger.record_of(attack)
    forger.change_record(path, lambda r: replace(r, **changes))
    lines = failed(replayed(command, forger))
    assert len(lines) == 1
    assert path.name in lines[0]
    assert named in lines[0]


def test_edits_that_the_attack_does_not_propose_are_noticed(forger, command):
    """They are allowed, predictions and margins are right; but nobody proposed them."""
    path = forger.record_of("rand_sampling")
    other = next(
        p
        for p in forger.records()
        if p != path
        and Record.loads(p.read_text(), p.name).victim
        == Record.loads(path.read_text(), path.name).victim
        and '"attack":"rand_sampling"' not in p.read_text()
    )
    outcomes = Record.loads(other.read_text(), other.name).outcomes
    forger.change_record(path, lambda r: replace(r, outcomes=outcomes))
    (line,) = failed(replayed(command, forger))
    assert "computed again, something else is found for graph" in line


def test_what_took_long_by_its_own_word_is_on_trust_and_listed(forger, command):
    path = forger.record_of("grad_argmax")
    forger.change_record(path, lambda r: replace(r, queries=1, attack_seconds=900.0))
    answer = replayed(command, forger)
    assert not [line for line in answer.out.splitlines() if line.startswith("FAILED")]
    assert "queries, gradient_calls (5 of 6; 1 on trust: took longer than 60 s)" in answer.out


def with_environment(record, **changes):
    return replace(record, queries=1, environment={**record.environment, **changes})


def test_bits_of_other_libraries_are_no_problem_and_listed(forger, command):
    path = forger.record_of("grad_argmax")
    forger.change_record(
        path,
        lambda r: with_environment(r, versions={**r.environment["versions"], "torch": "1"}),
    )
    answer = replayed(command, forger)
    assert not [line for line in answer.out.splitlines() if line.startswith("FAILED")]
    assert "1 on trust: other bits here, but made with torch 1" in answer.out


def test_another_processor_excuses_no_bits_of_portable_arithmetic(forger, command):
    path = forger.record_of("grad_argmax")
    forger.change_record(path, lambda r: with_environment(r, processor="abacus"))
    lines = failed(replayed(command, forger))
    assert any("computed again it has other queries" in line for line in lines)


# --- attackers, and everything else ---------------------------------------------------------------


def test_other_graphs_to_learn_on_are_noticed(forger, command):
    forger.change_artifact(
        forger.artifact("attacker"), with_tensor("fitted_on", lambda keys: keys + 1)
    )
    lines = failed(replayed(command, forger))
    assert any("the graphs that it learned on are not those of its step" in line for line in lines)


def forged_throughout(forger: Forger) -> dict[str, str]:
    """Change what costs time to compute again; return the files, and what of them."""
    curve = [[0, 1.0, 0.5], [20, 0.5, 0.25]]
    attacker, pretraining = forger.artifact("attacker"), forger.artifact("pretraining")
    warm_up, other = forger.artifact("warm_up"), forger.artifacts("attacker")[1]
    state = next(name for name in Artifact.read(other).tensors if name.startswith("state."))
    forger.change_artifact(attacker, with_info(curve=curve))
    forger.change_artifact(other, with_tensor(state, lambda weights: 1.5 * weights))
    forger.change_artifact(pretraining, with_info(diagnosis={}))
    forger.change_artifact(warm_up, with_info(losses=[0.0]))
    return {
        attacker.name: "curve",
        other.name: state,
        pretraining.name: "diagnosis",
        warm_up.name: "losses",
    }


def test_from_scratch_notices_whatever_was_changed(forger, command, tmp_path):
    changed = forged_throughout(forger)
    answer = command("replay", forger.folder, "--from-scratch", "--workers", "1")
    assert answer.code == 1
    found = [line for line in answer.out.splitlines() if line.startswith("DIFFERS  ")]
    for name, what in changed.items():
        (line,) = [line for line in found if name in line]
        assert f"computed again it has other {what}" in line
    assert "differ from scratch" in answer.err


@pytest.mark.thorough
def test_with_more_time_replay_notices_them_too(forger):
    changed = forged_throughout(forger)
    folder = RunFolder(forger.folder)
    verdicts = replay(folder, folder.current_manifest(), lambda verdict: None, None, math.inf)
    for name, what in changed.items():
        (verdict,) = [each for each in verdicts if each.name.startswith(name)]
        assert any(f"it has other {what}" in problem for problem in verdict.problems)


def test_an_honest_run_is_the_same_from_scratch(everything, command, tmp_path):
    out = tmp_path / "again"
    answer = command("replay", everything, "--from-scratch", "--out", out, "--workers", "1")
    assert answer.code == 0, answer.err
    assert "21 of 21 stored results are the same from scratch." in answer.out
    assert "computed again  attacker: state.*, curve, queries, gradient_calls (all 2" in answer.out
    assert "where the same bits are to be expected" in answer.out
    assert len(list((out / "records").iterdir())) == 6
    again = command("replay", everything, "--from-scratch", "--out", out)
    assert (again.code, "to be a new or an empty folder" in again.err) == (2, True)


def test_a_folder_of_its_own_is_for_from_scratch_alone(everything, command, tmp_path):
    answer = command("replay", everything, "--out", tmp_path / "x")
    assert (answer.code, "--out with --from-scratch alone" in answer.err) == (2, True)


# --- what is missing, what is listed --------------------------------------------------------------


def test_missing_results_are_counted_apart(forger, command):
    for path in (*forger.records()[:2], forger.artifact("certificate")):
        path.unlink()
    answer = replayed(command, forger)
    assert answer.code == 1
    assert "FAILED" not in answer.out
    assert answer.out.count("missing  ") == 3
    assert "3 results are missing: the run is not finished" in answer.err


def test_another_name_of_the_suite_is_noticed(forger, command):
    path = forger.folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "suite": "another"}))
    assert any("its name of the suite" in line for line in failed(replayed(command, forger)))
