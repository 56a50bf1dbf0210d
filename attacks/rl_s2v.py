"""RL-S2V: learn by Q-learning which edits make a victim err (Dai et al. 2018, arXiv 1806.02371,
section 3).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.nn.utils import clip_grad_norm_

from robust_augcl.adversary.attack_base import FitGraphs, LearningAttack, at_most
from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.attacks._two_step_q import (
    EditSpace,
    Replay,
    State,
    Transition,
    TwoStepQ,
    best_allowed,
)
from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import runs
from robust_augcl.models.margins import margins
from robust_augcl.progress import Report, silent
from robust_augcl.seeds import spawn
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation
from robust_augcl.validation import require_not_negative, require_positive


@dataclass(frozen=True)
class RLS2V(LearningAttack):
    """Pick an edit's two ends one after the other, each the node of the highest learned value; k
    edits in a row for a budget of k.

    Learned on the training graphs by Q-learning: reward 1 if the victim errs at the end, else -1,
    no discount, the squared error to the best allowed action's value by a target network, one step
    of the process drawn uniformly for each update. Kept are the weights with the lowest robust
    accuracy on the validation graphs. Proposing asks nothing of the victim.

    Args:
        steps: updates of the network (published: 100,000).
        width: of embeddings and of the heads' hidden layer.
        rounds: of message passing in the Q-network.
        batch_size: graphs played on before each update, and transitions in an update.
        learning_rate: of Adam.
        replay_size: transitions kept for each step of the process.
        burn_in: batches of graphs played on at random before the first update.
        target_every: updates between two copies of the network to the target network.
        evaluate_every: updates between two looks at the validation graphs; the last update is
            followed by one in any case.
        epsilon_start, epsilon_end: probability of a random pick at first, and after the annealing.
            Published: 1.0 throughout.
        epsilon_anneal: the fraction of `steps` over which it falls, linearly.
        double: the best action of the target is chosen by the network, and only valued by the
            target network (van Hasselt et al. 2016, arXiv 1509.06461). Not published for this
            attack.
        normalise: sums over neighbours and nodes in the Q-network are divided by the mean degree
            and mean size of the graphs that it learns on. Not published; see `TwoStepQ`.
        max_gradient_norm: gradients are scaled down to this norm, 0 for never (published).
        train_on: "correct": graphs that the victim gets right when clean; "all", as published.

    Raises:
        ValueError: a value out of its range.
    """

    access: ClassVar[Access] = Access.QUERY
    display_name: ClassVar[str] = "RL-S2V"
    effort: ClassVar[str | None] = "steps"
    encoders: ClassVar[tuple[str, ...]] = ("structure2vec",)
    revision: ClassVar[int] = 2
    paper: ClassVar[Mapping[str, Any]] = {
        "epsilon_start": 1.0,
        "epsilon_end": 1.0,
        "double": False,
        "normalise": False,
        "max_gradient_norm": 0.0,
        "train_on": "all",
    }

    steps: int = 1000
    width: int = 64
    rounds: int = 5
    batch_size: int = 50
    learning_rate: float = 1e-3
    replay_size: int = 50_000
    burn_in: int = 100
    target_every: int = 100
    evaluate_every: int = 100
    epsilon_start: float = 1.0
    epsilon_end: float = 0.1
    epsilon_anneal: float = 0.5
    double: bool = True
    normalise: bool = True
    max_gradient_norm: float = 1.0
    train_on: Literal["correct", "all"] = "correct"

    def __post_init__(self) -> None:
        require_positive(self, "steps", "width", "rounds", "batch_size", "learning_rate")
        require_positive(self, "replay_size", "target_every", "evaluate_every")
        require_not_negative(self, "burn_in", "max_gradient_norm")
        for name in ("epsilon_start", "epsilon_end", "epsilon_anneal"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"Expected `{name}` to be between 0 and 1, got {getattr(self, name)}"
                )
        if self.train_on not in ("correct", "all"):
            raise ValueError(f"Expected `train_on` to be 'correct' or 'all', got {self.train_on!r}")

    def scaled(self, factor: float) -> RLS2V:
        return replace(self, steps=max(1, round(self.steps * factor)))

    def brief(self) -> RLS2V:
        return at_most(self, steps=5, burn_in=2, batch_size=8)

    def epsilon(self, step: int) -> float:
        """The probability of a random pick before update `step`, counted from 0."""
        annealed = self.epsilon_anneal * self.steps
        done = min(step / annealed, 1.0) if annealed else 1.0
        return (1 - done) * self.epsilon_start + done * self.epsilon_end

    def prepare(
        self,
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> GreedyProposer:
        train = fit.train.to(victim.device)
        space = None
        if self.train_on == "correct":
            right = (margins(victim.logits(train), train.y) > 0).nonzero().squeeze(1)
            # On a graph that is wrong already almost any edit earns the reward: it teaches nothing
            # about breaking graphs.
            space = EditSpace.of(train.select(right), threat) if len(right) else None
        if space is None or space.max_edits == 0:
            space = EditSpace.of(train, threat)
        means = (1.0, 1.0)
        if self.normalise:
            graphs = space.graphs  # at least 1: graphs may have no edges
            means = (
                max(graphs.edge_index.size(1) / graphs.num_nodes, 1.0),
                graphs.num_nodes / graphs.num_graphs,
            )
        network = TwoStepQ(
            width=self.width,
            rounds=self.rounds,
            max_edits=max(space.max_edits, 1),
            generator=spawn(generator),
            mean_degree=means[0],
            mean_size=means[1],
        )
        network.to(victim.device)
        curve = []
        if space.max_edits > 0:  # else there is nothing to edit, so nothing to learn
            curve = _Learner(self, network, victim, space, spawn(generator)).learn(
                fit.validation, threat, report
            )
        return GreedyProposer(network, threat, curve)

    def restore(
        self, state: Mapping[str, Tensor], victim: VictimView, threat: ThreatModel
    ) -> GreedyProposer:
        unused = torch.Generator()
        network = TwoStepQ(
            width=self.width,
            rounds=self.rounds,
            max_edits=TwoStepQ.max_edits_of(state),
            generator=unused,
        )
        network.load_state_dict(state)
        return GreedyProposer(network.to(victim.device), threat, [])


class GreedyProposer:
    """Takes the pick of the highest value at each step.

    Args:
        network: the learned Q-network.
        threat: what it may edit.
        curve: of learning: update, mean loss since the last point, robust accuracy on the
            validation graphs.
    """

    def __init__(
        self, network: TwoStepQ, threat: ThreatModel, curve: Sequence[tuple[int, float, float]]
    ) -> None:
        self.network, self.threat, self.curve = network, threat, curve
        self._device = next(network.parameters()).device

    def __call__(self, graphs: PackedGraphs) -> list[Perturbation]:
        if graphs.num_graphs == 0:
            return []
        space = EditSpace.of(graphs.to(self._device), self.threat)
        return space.perturbations(act_greedily(self.network, space))

    def state(self) -> dict[str, Tensor]:
        """The network's weights."""
        return dict(self.network.state_dict())


@torch.no_grad()
def act_greedily(network: TwoStepQ, space: EditSpace) -> State:
    """The final state of every graph of the space, in order."""
    sizes = space.graphs.sizes
    parts = runs((torch.ones_like(sizes), limits().played_graphs), (sizes, limits().played_nodes))
    finals = [space.start(part) for part in parts or [sizes.new_zeros(0)]]
    for final in finals:
        for edits_left in range(space.max_edits, 0, -1):
            rows = (space.budgets[final.graph] >= edits_left).nonzero().squeeze(1)
            if len(rows) == 0:
                continue
            state = final.take(rows)
            graphs = space.realise(state)
            for half in range(2):
                values = network(graphs, state.picked, edits_left, half)
                node = best_allowed(values, space.allowed(state, graphs, half), graphs)[1]
                state = state.pick(node) if half == 0 else state.edit(node, edits_left)
            final.edits[rows] = state.edits
    return State(*(torch.cat(parts) for parts in zip(*finals, strict=True)))


class _Learner:
    """One course of Q-learning."""

    def __init__(
        self,
        attack: RLS2V,
        network: TwoStepQ,
        victim: VictimView,
        space: EditSpace,
        generator: torch.Generator,
    ) -> None:
        self.attack, self.network, self.victim, self.space, self.generator = (
            attack,
            network,
            victim,
            space,
            generator,
        )
        self.device = space.graphs.device
        self.target = copy.deepcopy(network).requires_grad_(False)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=attack.learning_rate, fused=True)
        steps = [(left, half) for left in range(space.max_edits, 0, -1) for half in range(2)]
        self.replay = {
            step: Replay(attack.replay_size, space.max_edits, self.device) for step in steps
        }
        self.editable = (space.budgets > 0).nonzero().squeeze(1)
        self.queue = self.editable[:0]

    def learn(
        self, validation: PackedGraphs, threat: ThreatModel, report: Report
    ) -> list[tuple[int, float, float]]:
        """Learn, leave the best weights in the network and return the curve."""
        attack = self.attack
        validation = validation.to(self.device)
        space = EditSpace.of(validation, threat)
        right = margins(self.victim.logits(validation), validation.y) > 0
        for _ in range(attack.burn_in):
            self.play(epsilon=1.0)

        curve: list[tuple[int, float, float]] = []
        losses: list[Tensor] = []
        best, weights = (torch.inf, torch.inf), self.network.state_dict()
        for step in range(attack.steps):
            self.play(attack.epsilon(step))
            if step % attack.target_every == 0:
                self.target.load_state_dict(self.network.state_dict())
            losses.append(self.update())
            if (step + 1) % attack.evaluate_every == 0 or step + 1 == attack.steps:
                accuracy, margin = self.evaluate(space, right)
                curve.append((step + 1, float(torch.stack(losses).mean()), accuracy))
                losses = []
                if (accuracy, margin) < best:
                    best = accuracy, margin
                    weights = {
                        name: tensor.clone() for name, tensor in self.network.state_dict().items()
                    }
                text = (
                    f"update {step + 1}: loss {curve[-1][1]:.3f}, robust accuracy on "
                    f"validation graphs {accuracy:.1%}"
                )
                report((step + 1) / attack.steps, text)
        self.network.load_state_dict(weights)
        return curve

    def evaluate(self, space: EditSpace, right: Tensor) -> tuple[float, float]:
        """The share of graphs right when clean, `right` (G,), and after greedy edits; to break
        ties, the sum of the former's margins.
        """
        edited = space.realise(act_greedily(self.network, space))
        margin = margins(self.victim.logits(edited), edited.y)
        return float(((margin > 0) & right).float().mean()), float(margin[right].sum())

    # --- playing ----------------------------------------------------------------------------------

    @torch.no_grad()
    def play(self, epsilon: float) -> None:
        """Play one episode on each of a batch of training graphs, and remember it."""
        final = self.space.start(self._next_graphs())
        budgets = self.space.budgets[final.graph]
        for left in range(self.space.max_edits, 0, -1):
            rows = (budgets >= left).nonzero().squeeze(1)
            if len(rows) == 0:
                continue
            state = final.take(rows)
            graphs = self.space.realise(state)
            for half in range(2):
                node = self._pick(state, graphs, left, half, epsilon)
                reward = torch.zeros(len(rows), device=self.device)
                if (left, half) == (1, 1):
                    reward = self._reward(self.space.edited(graphs, state, node))
                self.replay[left, half].add(Transition(state, node, reward))
                state = state.pick(node) if half == 0 else state.edit(node, left)
            final.edits[rows] = state.edits

    def _next_graphs(self) -> Tensor:
        """The next batch (B,) of training graphs; all come once, in random order, before any comes
        again.
        """
        while len(self.queue) < self.attack.batch_size:
            order = torch.randperm(len(self.editable), generator=self.generator).to(self.device)
            self.queue = torch.cat([self.queue, self.editable[order]])
        batch, self.queue = (
            self.queue[: self.attack.batch_size],
            self.queue[self.attack.batch_size :],
        )
        return batch

    def _pick(
        self, state: State, graphs: PackedGraphs, left: int, half: int, epsilon: float
    ) -> Tensor:
        """Epsilon-greedy nodes (B,), a coin for each graph."""
        allowed = self.space.allowed(state, graphs, half)
        # The allowed node of the highest of uniform keys is a uniform draw.
        keys = torch.rand(graphs.num_nodes, generator=self.generator).to(self.device)
        node = best_allowed(keys, allowed, graphs)[1]
        greedy = (torch.rand(graphs.num_graphs, generator=self.generator) >= epsilon).to(
            self.device
        )
        rows = greedy.nonzero().squeeze(1)
        if 2 * len(rows) > len(greedy):  # taking them out costs more than valuing a few in vain
            values = self.network(graphs, state.picked, left, half)
            return torch.where(greedy, best_allowed(values, allowed, graphs)[1], node)
        if len(rows):
            part = graphs.select(rows)
            values = self.network(part, state.picked[rows], left, half)
            node[rows] = best_allowed(values, allowed[greedy[graphs.batch]], part)[1]
        return node

    def _reward(self, graphs: PackedGraphs) -> Tensor:
        """1 where the victim errs on the edited graph, else -1 (B,)."""
        return torch.where(margins(self.victim.logits(graphs), graphs.y) > 0, -1.0, 1.0)

    # --- learning ---------------------------------------------------------------------------------

    def update(self) -> Tensor:
        """Make one update, on transitions of one step of the process, and return its loss ()."""
        # Where budgets differ, the first steps of the largest ones may not have been played yet.
        steps = [step for step, replay in self.replay.items() if len(replay)]
        left, half = steps[int(torch.randint(len(steps), (), generator=self.generator))]
        transition = self.replay[left, half].draw(self.attack.batch_size, self.generator)
        graphs = self.space.realise(transition.state)
        target = self.td_target(transition, graphs, left, half)
        loss = mse_loss(
            self.network.of_action(graphs, transition.state.picked, transition.node, left, half),
            target,
        )
        self.optimizer.zero_grad()
        loss.backward()
        if self.attack.max_gradient_norm:
            clip_grad_norm_(self.network.parameters(), self.attack.max_gradient_norm)
        self.optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def td_target(
        self, transition: Transition, graphs: PackedGraphs, left: int, half: int
    ) -> Tensor:
        """The reward at the end of an episode, before it the value of the best allowed next pick
        (B,).

        `graphs` are those of the transitions' states.
        """
        state, node, reward = transition
        if (left, half) == (1, 1):
            return reward
        if half == 0:
            after, step = state.pick(node), (left, 1)
        else:
            after, step = state.edit(node, left), (left - 1, 0)
            graphs = self.space.edited(graphs, state, node)
        allowed = self.space.allowed(after, graphs, step[1])
        values = self.target(graphs, after.picked, *step)
        if not self.attack.double:
            return best_allowed(values, allowed, graphs)[0]
        chosen = best_allowed(self.network(graphs, after.picked, *step), allowed, graphs)[1]
        return values[graphs.ptr[:-1] + chosen]
