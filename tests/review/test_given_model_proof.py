"""Replay proves what the table of a run says that was found of a given model."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from given_models import Net, graphs, net

import robust_augcl as ra
from robust_augcl.campaign.campaign import Campaign, Machines
from robust_augcl.campaign.resolving import Handed, resolved
from robust_augcl.graphs.dataset import load_dataset
from robust_augcl.models import given
from robust_augcl.models.adapter import Adapter
from robust_augcl.plan.suite import make_suite
from robust_augcl.review.given_model_proof import NO_DATA_SET, NO_MODULE, prove_given_model
from robust_augcl.review.proofs import Proof
from robust_augcl.review.replay import Verdict
from robust_augcl.review.stored_run import StoredRun
from robust_augcl.review.trust import table as rows_of
from robust_augcl.steps.data_sets import dataset_draws
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.workers.watcher import Watcher


class Two(Net):
    """It answers with a pair of logits; the first are taken where nothing else is said."""

    def forward(self, x, edge_index, batch):
        logits = super().forward(x, edge_index, batch)
        return logits, -logits


_WEIGHTS = "`edge_weight` has no effect"


@pytest.fixture
def forgetful():
    """What a test forgets of models is known again after it."""
    known = (*given._modules, *given._functions, given._weights)
    kept = [dict(each) for each in known]
    yield
    given.forget()
    for each, before in zip(known, kept, strict=True):
        each.update(before)


def table_of(module, path, **options):
    """The table of an honest run on a module."""
    ra.evaluate(
        {"gin": module},
        graphs(),
        threat=ra.ThreatModel(budget=1, operations=("add",)),
        attacks=["exhaustive", "grad_argmax"],
        certificates=False,
        workers=1,
        out=path,
        **options,
    )
    return json.loads((path / "run.json").read_text())["table"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The table of an honest run."""
    return table_of(net().eval(), tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def table_of_two(tmp_path_factory):
    """The same of a module that answers with a pair."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Two().eval()
    return table_of(module, tmp_path_factory.mktemp("two"))


def problems_of(table, path, change):
    """What is wrong with a run that was made after the table was changed, as a forger would."""
    table = copy.deepcopy(table)
    change(table["victims"][0]["resolved"])
    campaign = Campaign(make_suite(table, "forged"), path, Machines(1), lambda text: None)
    with campaign.open_log(Watcher()) as log:
        campaign.compute(log)
    return proof_in(path)


def proof_in(path):
    """What is proved of the given model of a folder."""
    folder = RunFolder(path)
    run = StoredRun(folder, folder.existing_manifest())
    (step,) = (step for step in run.inputs if step.kind == "given_model")
    return prove_given_model(step, run)


def hide_an_attack(resolved):
    resolved["left_out"] = {"exhaustive": "it takes too long"}


def deny_gradients(resolved):
    found = resolved["copies"][0]["found"]
    found["capabilities"]["edge_weights"] = False
    found["capabilities"]["reasons"]["edge_weights"] = _WEIGHTS
    found["weights"] = None
    words = f"it follows gradients of edge weights, but {_WEIGHTS}"
    resolved["left_out"] = {"grad_argmax": words}


def deny_double(resolved):
    resolved["copies"][0]["found"]["double"] = False


def fail_without_edges(resolved):
    resolved["copies"][0]["found"]["fails"] = {"no edges": "RuntimeError"}


def found_in(resolved):
    return resolved["copies"][0]["found"]


def deny_reach(resolved):
    able = found_in(resolved)["capabilities"]
    able["local"], able["reasons"]["local"] = False, "edges have attributes"


def call_it_otherwise(resolved):
    found_in(resolved)["adapter"]["weight"] = "w"


def read_another_part(resolved):
    found_in(resolved)["adapter"]["item"] = 1


def praise(resolved):
    probes = found_in(resolved)["probes"]
    (failed,) = (each for each in probes if each["name"] == "order of nodes")
    failed["outcome"] = "noted"


def leave_a_probe_out(resolved):
    found_in(resolved)["probes"].pop()


def leave_all_probes_out(resolved):
    found_in(resolved)["probes"] = []


def count_more_classes(resolved):
    found_in(resolved)["num_classes"] = 3


def test_an_honest_run_is_proved(table, tmp_path):
    proof = problems_of(table, tmp_path, lambda resolved: None)
    assert not proof.problems
    assert not proof.unproved


@pytest.mark.thorough(but=["hide_an_attack-*", "deny_reach-*", "leave_a_probe_out-*"])
@pytest.mark.parametrize(
    ("forged", "told"),
    [
        (hide_an_attack, "what is left out is not what follows from its probes: exhaustive"),
        (deny_gradients, "its probes find another `edge_weights` now than is stated"),
        (deny_double, "its probes find another `double` now than is stated"),
        (fail_without_edges, "its probes find another `fails` now than is stated"),
        (deny_reach, "its probes find another `local` now than is stated"),
        (call_it_otherwise, "its probes find another `adapter` now than is stated"),
        (praise, "its probes find another `probes` now than is stated"),
        (leave_a_probe_out, "its probes find another `probes` now than is stated"),
        (leave_all_probes_out, "its probes find another `probes` now than is stated"),
    ],
)
def test_what_was_forged_is_told(table, tmp_path, forged, told):
    assert told in problems_of(table, tmp_path, forged).problems


def test_a_forged_part_of_the_answer_is_told(table_of_two, tmp_path):
    """Its proof does not read the answer as the forger says."""
    assert not problems_of(table_of_two, tmp_path / "honest", lambda resolved: None).problems
    proof = problems_of(table_of_two, tmp_path / "forged", read_another_part)
    assert proof.problems == ["its probes find another `adapter` now than is stated"]


def test_forged_classes_are_told(table, tmp_path):
    problems = problems_of(table, tmp_path, count_more_classes).problems
    assert "its probes find another `num_classes` now than is stated" in problems


def test_words_of_probes_may_round_otherwise(table, tmp_path):
    def other_words(resolved):
        for probe in found_in(resolved)["probes"]:
            probe["words"] += " (1.0000001)"

    assert not problems_of(table, tmp_path, other_words).problems


def test_a_model_that_came_in_training_mode_is_proved_in_evaluation_mode(forgetful, tmp_path):
    table_of(net().train(), tmp_path)
    given.forget()
    for module in (net().train(), net().eval()):
        ra.use_model(module)
        assert proof_in(tmp_path) == Proof("", [])


class DoublesOne(Net):
    """In double precision it gives other logits for graphs of so many edges."""

    def __init__(self, edges: int) -> None:
        super().__init__(features=1)
        self.head, self.edges = torch.nn.Linear(8, 3), edges

    def forward(self, x, edge_index, batch):
        size = int(batch.max()) + 1
        counts = torch.bincount(batch[edge_index[0]], minlength=size).unsqueeze(1)
        doubled = (counts == self.edges) & (x.dtype == torch.double)
        return super().forward(x, edge_index, batch) * torch.where(doubled, 2, 1)


def test_a_model_is_proved_with_the_graphs_of_the_seed_that_was_asked_for_first(tmp_path):
    """A folder holds its seeds sorted, and others may come to it."""
    table = {
        "name": "seeds",
        "dataset": {"source": "components", "nodes": [15, 20], "graphs_per_class": 10},
        "split": {"test": 0.3, "validation": 0.2},
        "threat": {"budget": 1, "operations": ["add"], "within_component": True},
        "attacks": [{"name": "rand_sampling"}],
        "victims": [{"label": "gin"}],
        "seeds": [5, 3],
    }
    suite = make_suite(table, "seeds")
    counts = {}
    for seed in suite.seeds:
        draws = dataset_draws(suite.source, seed)
        dataset = load_dataset(suite.source, suite.split, None, draws)
        tested = dataset.part(dataset.test)
        owners = tested.batch[tested.edge_index[0]]
        counts[seed] = torch.bincount(owners, minlength=len(tested)).tolist()
    (first, *_) = sorted({counts[5][0], counts[5][-1]} - set(counts[3]))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = DoublesOne(first).eval()
    known = resolved(suite, None, {"gin": Handed([module], Adapter())})
    assert not known.victims[0].known.copies[0].found["double"]
    campaign = Campaign(known, tmp_path, Machines(1), lambda text: None)
    with campaign.open_log(Watcher()) as log:
        campaign.compute(log)
    assert RunFolder(tmp_path).existing_manifest().seeds == [3, 5]
    assert proof_in(tmp_path) == Proof("", [])


def test_without_its_data_set_what_was_found_is_on_trust(table, tmp_path):
    problems_of(table, tmp_path, lambda resolved: None)
    (stored,) = tmp_path.glob("artifacts/dataset-*")
    stored.write_bytes(b"")
    assert proof_in(tmp_path) == Proof("", [], unproved=NO_DATA_SET)
    verdict = Verdict("given model", "a", "", [], False, unproved=NO_DATA_SET)
    rows = {row.fields: row for row in rows_of([verdict])}
    assert rows["given model: found"].how == "on trust"
    assert rows["given model: found"].why.endswith(f"1 on trust: {NO_DATA_SET}")
    assert rows["given model: made_by, structure"].how == "proved"


def test_what_needs_no_module_is_told_without_one(forgetful, table, tmp_path):
    problems_of(table, tmp_path, hide_an_attack)
    given.forget()
    proof = proof_in(tmp_path)
    assert [text.rpartition(": ")[2] for text in proof.problems] == ["exhaustive"]
    assert proof.unproved == NO_MODULE
