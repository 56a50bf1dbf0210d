"""A given model that changes its answers while results are judged is told, whoever asks."""

from __future__ import annotations

import pytest
import torch
from given_models import graphs
from torch import nn

import robust_augcl as ra
from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.entrance import admit
from robust_augcl.models import given
from robust_augcl.models.agreement import same_rows
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.registry import load
from robust_augcl.review.audit.probes import try_large_budget
from robust_augcl.review.audit.run import audit_records
from robust_augcl.review.replay import replay
from robust_augcl.review.transfer import transfer_records
from robust_augcl.steps.drift import Answers, Drifted
from robust_augcl.store.run_folder import RunFolder

ONE = ra.ThreatModel(budget=1, operations=("add", "delete"))


class Tires(nn.Module):
    """Answers otherwise once a copy of it was asked about many graphs."""

    patience = 10**9  # of the class, and no part of what a model is known by

    def __init__(self, centre=9.5):
        super().__init__()
        self.asked = 0
        self.centre = nn.Parameter(torch.tensor(centre))

    def forward(self, x, edge_index, batch):
        size = int(batch.max()) + 1
        self.asked += size
        edges = torch.bincount(batch[edge_index[0]], minlength=size).float() - self.centre
        edges = -edges if self.asked > self.patience else edges
        return torch.stack([-edges, edges], dim=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of an honest run on two models."""
    path = tmp_path_factory.mktemp("drift") / "run"
    models = {"one": Tires(), "other": Tires(7.5)}
    attacks = ["rand_sampling", "grad_argmax", "beam", "exhaustive"]
    ra.evaluate(models, graphs(), threat=ONE, attacks=attacks, workers=1, out=path)
    yield RunFolder(path)
    given.forget()


def records_of(folder):
    return folder.load_records(folder.existing_manifest().records).records


def verdict_on_victims(folder):
    audit = audit_records(folder, folder.existing_manifest(), records_of(folder))
    (found,) = [each for each in audit.findings if each.check == "the victim is deterministic"]
    return found


def asked_by(folder, monkeypatch, work):
    """How many graphs any copy is asked about, at the most."""
    counts, forward = [], Tires.forward

    def counting(module, *given):
        logits = forward(module, *given)
        counts.append(module.asked)
        return logits

    with monkeypatch.context() as patched:
        patched.setattr(Tires, "forward", counting)
        work()
    return max(counts)


@pytest.mark.thorough(but=["0.3"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.95])
def test_the_audit_says_that_a_model_changed_under_its_questions(folder, monkeypatch, share):
    assert verdict_on_victims(folder).status == "PASS"
    most = asked_by(folder, monkeypatch, lambda: verdict_on_victims(folder))
    monkeypatch.setattr(Tires, "patience", int(share * most) + 12)
    found = verdict_on_victims(folder)
    assert found.status == "FAIL"
    assert "victims answer otherwise after the audit's questions than before" in found.evidence
    assert len(found.cells) in (3, 6)  # all of one victim, or of both


def test_replay_says_that_a_model_changed_under_its_questions(folder, monkeypatch):
    def problems():
        verdicts = replay(folder, folder.existing_manifest(), lambda verdict: None, processes=1)
        return [problem for verdict in verdicts for problem in verdict.problems]

    assert problems() == []
    most = asked_by(folder, monkeypatch, problems)
    monkeypatch.setattr(Tires, "patience", most // 2)
    assert any("same logits after these questions as before" in each for each in problems())


def test_transfers_are_refused_where_a_model_changed_under_them(folder, monkeypatch):
    records = records_of(folder)
    assert transfer_records(folder, records).entries
    most = asked_by(folder, monkeypatch, lambda: transfer_records(folder, records))
    monkeypatch.setattr(Tires, "patience", most - 6)
    with pytest.raises(Drifted, match="after the transfers' questions as before, got others"):
        transfer_records(folder, records)


def test_a_trial_whose_victim_changes_is_grave(monkeypatch):
    packed = admit(graphs(), as_given=True).graphs
    packed = packed.with_labels(Victim(ModuleClassifier(Tires(), packed)).logits(packed).argmax(1))
    module = Tires()
    victim = Victim(ModuleClassifier(module, packed))
    attack, named = load("attack", "beam")(), {"budget": 4, "name": "beam"}
    assert try_large_budget(attack, victim, packed, ONE, **named).error is None
    monkeypatch.setattr(Tires, "patience", module.asked + 40)
    facts = try_large_budget(attack, victim, packed, ONE, **named)
    assert facts.grave
    assert "Drifted: Expected the same logits after the audit's questions as before" in facts.error


def test_what_answers_no_more_is_told_and_others_are_not_asked():
    class Quits(Tires):
        def forward(self, x, edge_index, batch):
            if self.asked > self.patience:
                raise RuntimeError("it has had enough")
            return super().forward(x, edge_index, batch)

    packed = admit(graphs(), as_given=True).graphs
    module = Quits()
    victim = Victim(ModuleClassifier(module, packed))
    asked, before = module.asked, Answers(victim, packed, "the step's")
    before.refuse_others()
    assert victim.queries == 0
    assert module.asked == asked + 2 * packed.num_graphs
    module.patience = 0
    with pytest.raises(RuntimeError, match="it has had enough"):
        before.refuse_others()


@pytest.mark.parametrize(
    ("change", "equal"),
    [(0.0, True), (1e-6, True), (1e-2, False), (float("nan"), False)],
)
def test_rows_are_held_to_their_own_scale(change, equal):
    logits = torch.tensor([[1e3, -1e3], [1.0, -1.0]])
    others = logits.clone()
    others[1, 0] += change
    found = same_rows(others, logits, nn.Linear(1, 1))
    assert found.tolist() == [True, equal]
    assert same_rows(logits[:0], logits[:0], nn.Linear(1, 1)).tolist() == []
