"""RL-S2V: learn by Q-learning which edits make a victim err (Dai et al. 2018, arXiv 1806.02371).

Its pieces stand in files of their own: the decision process (`_edit_process`), the Q-network
(`_two_step_q`), the replay memory (`_replay_memory`), learning (`_q_learning`), its settings
(`_q_settings`) and greedy picks (`_greedy_picks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from robust_augcl.adversary.attack_base import FitGraphs, LearningAttack, at_most
from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.attacks._edit_process import EditSpace
from robust_augcl.attacks._greedy_picks import GreedyProposer
from robust_augcl.attacks._q_learning import Learner
from robust_augcl.attacks._q_settings import QLearning
from robust_augcl.attacks._two_step_q import TwoStepQ
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.progress import Report, silent
from robust_augcl.seeds import spawn
from robust_augcl.threat.model import ThreatModel


@dataclass(frozen=True)
class RLS2V(QLearning, LearningAttack):
    """Pick an edit's two ends one after the other, each the node of the highest learned value.

    A budget of k gives k edits in a row. The values are learned on the training graphs by
    Q-learning. The reward comes at the end: as published 1 if the victim errs, else -1; or it falls
    with the margin that is left (`reward`). There is no discount. The loss is the squared error to
    the value of the best allowed action by a target network. Each update draws one edit of the
    process uniformly, and one of its halves or (without `marks`) both. The weights with the lowest
    robust accuracy on the validation graphs are kept. Proposing asks nothing of the victim.

    The settings are those of `QLearning`.

    >>> attack = RLS2V(steps=100, epsilon_anneal=0.5)
    >>> attack.epsilon(0), round(attack.epsilon(25), 3), attack.epsilon(99)
    (1.0, 0.55, 0.1)
    >>> attack.scaled(0.1).steps
    10
    """

    access: ClassVar[Access] = Access.QUERY
    display_name: ClassVar[str] = "RL-S2V"
    effort: ClassVar[str | None] = "steps"
    encoders: ClassVar[tuple[str, ...]] = ("structure2vec",)
    revision: ClassVar[int] = 4
    paper: ClassVar[Mapping[str, Any]] = {
        "width": 64,
        "rounds": 5,
        "learning_rate": 1e-3,
        "target_every": 100,
        "marks": True,
        "epsilon_start": 1.0,
        "epsilon_end": 1.0,
        "double": False,
        "normalise": False,
        "sees_picked": False,
        "max_gradient_norm": 0.0,
        "train_on": "all",
        "reward": "outcome",
        "partners": 1,
        "updates": 1,
        "rate_end": 1.0,
        "burn_in": 100,
        "evaluate_every": 100,
    }

    def refuses(self, threat: ThreatModel) -> str | None:
        return "it edits anywhere" if threat.at != "anywhere" else None

    def scaled(self, factor: float) -> RLS2V:
        return replace(self, steps=max(1, round(self.steps * factor)))

    def brief(self) -> RLS2V:
        return at_most(self, steps=5, burn_in=2, batch_size=8)

    def prepare(
        self,
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> GreedyProposer:
        space = self._space(victim, fit.train.to(victim.device), threat)
        mean_degree, mean_size = 1.0, 1.0
        if self.normalise:
            graphs = space.graphs
            # At least 1: graphs may have no edges.
            mean_degree = max(graphs.edge_index.size(1) / graphs.num_nodes, 1.0)
            mean_size = graphs.num_nodes / graphs.num_graphs
        network = TwoStepQ(
            width=self.width,
            rounds=self.rounds,
            max_edits=max(space.max_edits, 1),
            generator=spawn(generator),
            mean_degree=mean_degree,
            mean_size=mean_size,
            sees_picked=self.sees_picked,
            marks=self.marks,
        )
        network.to(victim.device)
        curve = []
        if space.max_edits > 0:  # else there is nothing to edit, so nothing to learn
            learner = Learner(self, network, victim, space, spawn(generator))
            curve = learner.learn(fit.validation, threat, report)
        return GreedyProposer(network, threat, curve)

    def _space(self, victim: VictimView, train: PackedGraphs, threat: ThreatModel) -> EditSpace:
        """Return the graphs to play on: those that are right when clean, or all."""
        if self.train_on == "correct":
            # On a graph that is wrong already, almost any edit earns the reward. So such a graph
            # teaches nothing about breaking graphs.
            right = (margins(victim.logits(train), train.y) > 0).nonzero().squeeze(1)
            space = EditSpace.of(train.select(right), threat) if len(right) else None
            if space is not None and space.max_edits > 0:
                return space
        return EditSpace.of(train, threat)

    def restore(
        self, state: Mapping[str, Tensor], victim: VictimView, threat: ThreatModel
    ) -> GreedyProposer:
        return GreedyProposer(self._network_of(state).to(victim.device), threat, [])

    def go_on(
        self,
        state: Mapping[str, Tensor],
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> GreedyProposer:
        """Learn on from the weights kept, half as long.

        The learning rate begins where it began at first; the replay memory and Adam's moments begin
        empty; as few picks are random as at the end.
        """
        more = replace(self, steps=max(self.steps // 2, 1), epsilon_start=self.epsilon_end)
        space = self._space(victim, fit.train.to(victim.device), threat)
        network = self._network_of(state).to(victim.device)
        curve = []
        if space.max_edits > 0:
            learner = Learner(more, network, victim, space, spawn(generator))
            curve = learner.learn(fit.validation, threat, report, goes_on=True)
        return GreedyProposer(network, threat, curve)

    def _network_of(self, state: Mapping[str, Tensor]) -> TwoStepQ:
        """Return the network of these weights."""
        unused = torch.Generator()
        network = TwoStepQ(
            width=self.width,
            rounds=self.rounds,
            max_edits=TwoStepQ.max_edits_of(state),
            generator=unused,
            sees_picked=self.sees_picked,
            marks=self.marks,
        )
        network.load_state_dict(state)
        return network
