"""A module that changes while it is judged gives no result."""

from __future__ import annotations

import torch
from evaluations import evaluated
from given_models import graphs
from torch import nn
from torch_geometric.data import Data

from robust_augcl import registry
from robust_augcl.graphs.entrance import admit
from robust_augcl.models.module import ModuleClassifier


class TiredMuchLater(nn.Module):
    """Answers otherwise once it was asked about many graphs."""

    def __init__(self, patience):
        super().__init__()
        self.patience, self.asked = patience, 0

    def forward(self, x, edge_index, batch):
        size = int(batch.max()) + 1
        self.asked += size
        edges = torch.bincount(batch[edge_index[0]], minlength=size).float() - 9.5
        edges = -edges if self.asked > self.patience else edges
        return torch.stack([-edges, edges], dim=1)


def test_a_module_that_changes_after_its_probes_gives_no_result():
    probed = TiredMuchLater(10**9)
    ModuleClassifier(probed, admit(graphs(), as_given=True).graphs)
    text = str(evaluated(TiredMuchLater(10**9), graphs()))
    assert "Missing" not in text
    result = evaluated(TiredMuchLater(probed.asked + 50), graphs(), budgets=[2])
    missing = [line for line in str(result).splitlines() if line.startswith("Missing: ")]
    assert missing, probed.asked
    assert "Expected the same logits after the step's questions as before, got others" in missing[0]


def test_a_module_that_changes_in_the_search_for_several_budgets_gives_no_result():
    probed = TiredMuchLater(10**9)
    ModuleClassifier(probed, admit(graphs(), as_given=True).graphs)
    several = {"attacks": ["beam"], "budgets": [1, 2], "certificates": False}
    # The attack steps alone ask too little to tire it: they take the answers of the search.
    result = evaluated(TiredMuchLater(probed.asked + 60), graphs(), **several)
    assert not result.records
    (missing,) = [line for line in str(result).splitlines() if line.startswith("Missing: ")]
    assert "budgets 1, 2: StepFailed: Expected the same logits after the step's" in missing
    assert len(evaluated(TiredMuchLater(10**9), graphs(), **several).records) == 2


def test_a_module_that_changes_while_an_attack_learns_gives_no_result():
    probed = TiredMuchLater(10**9)
    ModuleClassifier(probed, admit(graphs(13), as_given=True).graphs)
    learning = {
        "attacks": {"rl": registry.load("attack", "rl_s2v")(steps=80, burn_in=2, width=4)},
        "fit": graphs(5, seed=3),
        "certificates": False,
    }
    result = evaluated(TiredMuchLater(probed.asked + 100), graphs(), **learning)
    assert not result.records
    (missing,) = [line for line in str(result).splitlines() if line.startswith("Missing: ")]
    assert "StepFailed: Expected the same logits after the step's" in missing


class TrainsItself(nn.Module):
    """Puts itself in training mode once it was asked about many graphs; dropout draws then."""

    def __init__(self, patience):
        super().__init__()
        self.patience, self.asked = patience, 0
        self.dropout = nn.Dropout(0.9)

    def forward(self, x, edge_index, batch):
        size = int(batch.max()) + 1
        self.asked += size
        if self.asked > self.patience:
            self.train()
        edges = self.dropout(torch.bincount(batch[edge_index[0]], minlength=size).float() - 9.5)
        return torch.stack([-edges, edges], dim=1)


def test_a_module_that_puts_itself_in_training_mode_gives_no_result():
    probed = TrainsItself(10**9)
    ModuleClassifier(probed, admit(graphs(), as_given=True).graphs)
    result = evaluated(TrainsItself(probed.asked + 50), graphs(), budgets=[2])
    missing = [line for line in str(result).splitlines() if line.startswith("Missing: ")]
    assert missing
    assert "Expected a module that stays in evaluation mode, got `" in missing[0]
    assert "in another mode after the step's questions" in missing[0]


class OneGraphIsLarge(TiredMuchLater):
    """The logits of one graph hide that those of the others changed."""

    def forward(self, x, edge_index, batch):
        logits = super().forward(x, edge_index, batch)
        large = torch.bincount(batch) > 19
        return torch.where(large.unsqueeze(1), torch.tensor([[1e6, -1e6]]), logits)


def test_large_logits_of_one_graph_hide_no_change_of_another():
    path = torch.stack([torch.arange(19), torch.arange(1, 20)])
    large = Data(x=torch.eye(3)[[0] * 20], edge_index=torch.cat([path, path.flip(0)], dim=1), y=0)
    several = [*graphs(), large]
    probed = OneGraphIsLarge(10**9)
    ModuleClassifier(probed, admit(several, as_given=True).graphs)
    assert "Missing" not in str(evaluated(OneGraphIsLarge(10**9), several))
    text = str(evaluated(OneGraphIsLarge(probed.asked + 60), several, budgets=[2]))
    assert "Missing: " in text
    assert "Expected the same logits after the step's questions as before, got others" in text
