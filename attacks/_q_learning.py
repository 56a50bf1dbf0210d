"""Q-learning of RL-S2V (Dai et al. 2018, arXiv 1806.02371, section 3).

Letters: G graphs, B graphs of a batch.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.nn.utils import clip_grad_norm_

from robust_augcl.adversary.victim import VictimView
from robust_augcl.attacks._edit_process import EditSpace, State, best_allowed
from robust_augcl.attacks._greedy_picks import act_greedily
from robust_augcl.attacks._replay_memory import Replay, Transition
from robust_augcl.attacks._two_step_q import TwoStepQ
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.progress import Report
from robust_augcl.threat.model import ThreatModel
from robust_augcl.validation import require_not_negative, require_positive


@dataclass(frozen=True)
class QLearning:
    """Settings of the Q-network and of its learning.

    Args:
        steps: updates of the network (published: 100,000).
        width: of embeddings and of the heads' hidden layer.
        rounds: rounds of message passing in the Q-network.
        batch_size: graphs played on before each update, and transitions in an update.
        learning_rate: of Adam.
        replay_size: transitions kept for each step of the process.
        burn_in: batches of graphs played on at random before the first update.
        target_every: updates between two copies of the network to the target network.
        evaluate_every: updates between two looks at the validation graphs. The last update is
            followed by a look in any case.
        epsilon_start: the probability of a random pick at first. Published: 1.0.
        epsilon_end: the probability of a random pick after the annealing. Published: 1.0.
        epsilon_anneal: the fraction of `steps` over which it falls, linearly.
        double: the best action of the target is chosen by the network, and only valued by the
            target network (van Hasselt et al. 2016, arXiv 1509.06461). Not published for this
            attack.
        normalise: sums over neighbours and nodes in the Q-network are divided by the mean degree
            and mean size of the graphs that it learns on. Not published; see `TwoStepQ`.
        max_gradient_norm: gradients are scaled down to this norm; 0 for never (published).
        train_on: "correct": graphs that the victim gets right when clean. "all": as published.

    Raises:
        ValueError: a value is out of its range.
    """

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

    def epsilon(self, step: int) -> float:
        """Return the probability of a random pick before update `step`, counted from 0."""
        annealed = self.epsilon_anneal * self.steps
        done = min(step / annealed, 1.0) if annealed else 1.0
        return (1 - done) * self.epsilon_start + done * self.epsilon_end


class Learner:
    """One course of Q-learning.

    Args:
        settings: how to learn.
        network: learns in place.
        victim: says whether an edited graph is wrong.
        space: the training graphs.
        generator: the source of all chance.
    """

    def __init__(
        self,
        settings: QLearning,
        network: TwoStepQ,
        victim: VictimView,
        space: EditSpace,
        generator: torch.Generator,
    ) -> None:
        self.settings, self.network, self.victim = settings, network, victim
        self.space, self.generator = space, generator
        self.device = space.graphs.device
        self.target = copy.deepcopy(network).requires_grad_(False)
        self.optimizer = torch.optim.Adam(
            network.parameters(), lr=settings.learning_rate, fused=True
        )
        steps = [(left, half) for left in range(space.max_edits, 0, -1) for half in range(2)]
        self.replay = {
            step: Replay(settings.replay_size, space.max_edits, self.device) for step in steps
        }
        self.editable = (space.budgets > 0).nonzero().squeeze(1)
        self.queue = self.editable[:0]

    def learn(
        self, validation: PackedGraphs, threat: ThreatModel, report: Report
    ) -> list[tuple[int, float, float]]:
        """Learn, leave the best weights in the network, and return the curve.

        The best weights have the lowest robust accuracy on the validation graphs, and of equals the
        lowest margin.
        """
        settings = self.settings
        validation = validation.to(self.device)
        space = EditSpace.of(validation, threat)
        right = margins(self.victim.logits(validation), validation.y) > 0
        for _ in range(settings.burn_in):
            self.play(epsilon=1.0)

        curve: list[tuple[int, float, float]] = []
        losses: list[Tensor] = []
        best, weights = (torch.inf, torch.inf), self.network.state_dict()
        for step in range(1, settings.steps + 1):
            self.play(settings.epsilon(step - 1))
            if (step - 1) % settings.target_every == 0:
                self.target.load_state_dict(self.network.state_dict())
            losses.append(self.update())
            if step % settings.evaluate_every and step < settings.steps:
                continue
            accuracy, margin = self.evaluate(space, right)
            loss = float(torch.stack(losses).mean())
            curve.append((step, loss, accuracy))
            losses = []
            if (accuracy, margin) < best:
                best = accuracy, margin
                weights = {name: part.clone() for name, part in self.network.state_dict().items()}
            text = f"update {step}: loss {loss:.3f}, robust accuracy on validation graphs "
            report(step / settings.steps, f"{text}{accuracy:.1%}")
        self.network.load_state_dict(weights)
        return curve

    def evaluate(self, space: EditSpace, right: Tensor) -> tuple[float, float]:
        """Return the robust accuracy under greedy edits, and a margin that breaks ties.

        The robust accuracy is the share of graphs that are right when clean, `right` (G,), and
        after the edits. The margin is the sum over the graphs that are right when clean.
        """
        edited = space.realise(act_greedily(self.network, space))
        margin = margins(self.victim.logits(edited), edited.y)
        return float(((margin > 0) & right).float().mean()), float(margin[right].sum())

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
        """Return the next batch (B,) of training graphs.

        All graphs come once, in random order, before any comes again.
        """
        size = self.settings.batch_size
        while len(self.queue) < size:
            order = torch.randperm(len(self.editable), generator=self.generator).to(self.device)
            self.queue = torch.cat([self.queue, self.editable[order]])
        batch, self.queue = self.queue[:size], self.queue[size:]
        return batch

    def _pick(
        self, state: State, graphs: PackedGraphs, left: int, half: int, epsilon: float
    ) -> Tensor:
        """Return epsilon-greedy nodes (B,), with a coin for each graph."""
        allowed = self.space.allowed(state, graphs, half)
        # The allowed node of the highest of uniform keys is a uniform draw.
        keys = torch.rand(graphs.num_nodes, generator=self.generator).to(self.device)
        node = best_allowed(keys, allowed, graphs)[1]
        coin = torch.rand(graphs.num_graphs, generator=self.generator)
        greedy = (coin >= epsilon).to(self.device)
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
        """Return 1 where the victim errs on the edited graph, else -1 (B,)."""
        return torch.where(margins(self.victim.logits(graphs), graphs.y) > 0, -1.0, 1.0)

    def update(self) -> Tensor:
        """Make one update, on transitions of one step of the process, and return its loss ()."""
        # Where budgets differ, the first steps of the largest ones may not have been played yet.
        steps = [step for step, replay in self.replay.items() if len(replay)]
        left, half = steps[int(torch.randint(len(steps), (), generator=self.generator))]
        transition = self.replay[left, half].draw(self.settings.batch_size, self.generator)
        graphs = self.space.realise(transition.state)
        target = self.td_target(transition, graphs, left, half)
        picked = transition.state.picked
        value = self.network.of_action(graphs, picked, transition.node, left, half)
        loss = mse_loss(value, target)
        self.optimizer.zero_grad()
        loss.backward()
        if self.settings.max_gradient_norm:
            clip_grad_norm_(self.network.parameters(), self.settings.max_gradient_norm)
        self.optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def td_target(
        self, transition: Transition, graphs: PackedGraphs, left: int, half: int
    ) -> Tensor:
        """Return the target of each transition (B,).

        It is the reward at the end of an episode, and before it the value of the best allowed next
        pick. `graphs` are those of the transitions' states.
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
        if not self.settings.double:
            return best_allowed(values, allowed, graphs)[0]
        chosen = best_allowed(self.network(graphs, after.picked, *step), allowed, graphs)[1]
        return values[graphs.ptr[:-1] + chosen]
