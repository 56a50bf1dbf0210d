"""How PyTorch Geometric's PRBCD and GRBCD are run on the nodes of one graph.

Both flip any pair of nodes. Neither can be kept from adding or from deleting, so a threat must
allow both, anywhere. They draw from the global state of PyTorch, which is seeded and put back.

Letters: N nodes, T targets, E edges, C classes, K edits.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robust_augcl.adversary.attack_base import Attack, FitGraphs, Proposer
from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier_base import LocalParts
from robust_augcl.progress import Report, silent
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation
from robust_augcl.validation import require_positive


class NodeModel(nn.Module):
    """The log-probabilities of all nodes (N, C), as PyTorch Geometric's attacks ask for them.

    Args:
        parts: copies of a victim's encoder and head.
    """

    def __init__(self, parts: LocalParts) -> None:
        super().__init__()
        self.encoder, self.head = parts
        self.requires_grad_(False)

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Return the log-probabilities (N, C); x (N, F), edge_index (2, E), edge_weight (E,)."""
        batch = torch.zeros(x.size(0), dtype=torch.long, device=x.device)
        states = self.encoder(x, edge_index, batch, 1, edge_weight)[0]
        logits: Tensor = self.head(states)
        return logits.log_softmax(1)


@dataclass(frozen=True)
class RandomBlocks(Attack):
    """Base of both: what they share.

    Args:
        epochs: gradient steps.
        block_size: pairs of nodes that are looked at together; more than the budget.

    Raises:
        ValueError: a value is not positive.
    """

    access: ClassVar[Access] = Access.WEIGHTS
    nodes_only: ClassVar[bool] = True
    shares_edits: ClassVar[bool] = True
    effort: ClassVar[str | None] = "epochs"

    epochs: int = 50
    block_size: int = 20_000

    def __post_init__(self) -> None:
        require_positive(self, "epochs", "block_size")

    def refuses(self, threat: ThreatModel) -> str | None:
        if set(threat.operations) != {"add", "delete"}:
            return "it adds edges and deletes them, and nothing can keep it from either"
        if threat.at != "anywhere" or threat.within_component:
            return "it edits anywhere in the graph, and nothing can keep it from that"
        return None

    @abstractmethod
    def made(self, model: nn.Module, block_size: int) -> Any:
        """Return PyTorch Geometric's attack on a model."""

    def prepare(
        self,
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> Proposer:
        model = NodeModel(victim.parts()).eval()

        def propose(graphs: PackedGraphs) -> list[Perturbation]:
            budgets = threat.budgets(graphs).tolist()
            if not isinstance(graphs, NodeTargets):
                every = torch.arange(graphs.num_graphs).split(1)
                return [
                    self._attacked(model, graphs.select(k), budget, generator)
                    for k, budget in zip(every, budgets, strict=True)
                ]
            targets = graphs.to(victim.device)
            if threat.shared:
                one = self._attacked(model, targets.together, budgets[0], generator)
                return [one] * targets.num_graphs
            answers: list[Perturbation] = []
            for number, budget in enumerate(budgets):
                alone = targets.select(torch.tensor([number])).together
                answers.append(self._attacked(model, alone, budget, generator))
                report(len(answers) / len(budgets), f"{len(answers)} of {len(budgets)} nodes")
            return answers

        return propose

    def _attacked(
        self, model: nn.Module, graph: PackedGraphs, budget: int, generator: torch.Generator
    ) -> Perturbation:
        """The edits of one graph that harm its targets."""
        size = graph.num_nodes
        pairs = size * (size - 1) // 2
        budget = min(budget, pairs // 2)  # its blocks must be larger than the budget
        if budget == 0:
            return Perturbation()
        labels = torch.zeros(size, dtype=torch.long, device=graph.device)
        labels[graph.target_rows] = graph.y
        attack = self.made(model, max(self.block_size, 2 * budget))
        seed = int(torch.randint(2**31, (), generator=generator))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            _, flipped = attack.attack(
                graph.x, graph.edge_index, labels, budget, idx_attack=graph.target_rows
            )
        flipped = flipped.sort(0).values.unique(dim=1)
        there = graph.has_edges(flipped[0], flipped[1])
        return Perturbation(added=flipped[:, ~there].cpu(), removed=flipped[:, there].cpu())


def library() -> Any:
    """PyTorch Geometric's attacks; it warns that they are new, which is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric.contrib.nn import models
    return models
