"""Q-learning of RL-S2V (Dai et al. 2018, arXiv 1806.02371, section 3).

Letters: G graphs, B graphs of a batch, K nodes tried in a step of the process.
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
from robust_augcl.attacks._edit_process import EditSpace, State, best_allowed, highest_allowed
from robust_augcl.attacks._greedy_picks import act_greedily
from robust_augcl.attacks._replay_memory import Replay, Transition
from robust_augcl.attacks._two_step_q import TwoStepQ
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.progress import Report
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.model import ThreatModel
from robust_augcl.validation import require_not_negative, require_positive


@dataclass(frozen=True)
class QLearning:
    """Settings of the Q-network and of its learning.

    Args:
        steps: of learning: a batch of graphs is played on, then the network is updated (published:
            100,000).
        width: of embeddings and of the heads' hidden layer.
        rounds: rounds of message passing in the Q-network.
        batch_size: graphs played on in each step, and transitions in an update.
        learning_rate: of Adam, in the first step.
        rate_end: the share of it that is left in the last step; it falls linearly. Published: 1.0.
        replay_size: transitions kept for each step of the process.
        burn_in: batches of graphs played on at random before the first step.
        target_every: steps between two copies of the network to the target network.
        evaluate_every: steps between two looks at the validation graphs. The last step is
            followed by a look in any case.
        epsilon_start: the probability of a random pick at first. Published: 1.0.
        epsilon_end: the probability of a random pick after the annealing. Published: 1.0.
        epsilon_anneal: the fraction of `steps` over which it falls, linearly.
        double: the best action of the target is chosen by the network, and only valued by the
            target network (van Hasselt et al. 2016, arXiv 1509.06461). Not published for this
            attack.
        normalise: sums over neighbours and nodes in the Q-network are divided by the mean degree
            and mean size of the graphs that it learns on. Not published; see `TwoStepQ`.
        sees_picked: the value of the second node also reads the state of the first one. Not
            published; see `TwoStepQ`.
        max_gradient_norm: gradients are scaled down to this norm; 0 for never (published).
        train_on: "correct": graphs that the victim gets right when clean. "all": as published.
        reward: "outcome": 1 if the victim errs at the end, else -1, as published. "margin": falls
            with the margin that is left (`Learner.rewards`), which says of each edit how far it is
            from breaking the graph. That asks the victim nothing more.
        partners: episodes on each graph that share every pick but the last. So one pass of the
            network learns from several answers. Each is a query. Published: 1.
        updates: of the network in each step. Published: 1.

    Raises:
        ValueError: a value is out of its range.
    """

    steps: int = 500
    width: int = 64
    rounds: int = 5
    batch_size: int = 50
    learning_rate: float = 1e-3
    rate_end: float = 0.05
    replay_size: int = 50_000
    burn_in: int = 20
    target_every: int = 100
    evaluate_every: int = 50
    epsilon_start: float = 1.0
    epsilon_end: float = 0.1
    epsilon_anneal: float = 0.5
    double: bool = True
    normalise: bool = True
    sees_picked: bool = True
    max_gradient_norm: float = 1.0
    train_on: Literal["correct", "all"] = "correct"
    reward: Literal["margin", "outcome"] = "margin"
    partners: int = 8
    updates: int = 2

    def __post_init__(self) -> None:
        require_positive(self, "steps", "width", "rounds", "batch_size", "learning_rate")
        require_positive(self, "replay_size", "target_every", "evaluate_every")
        require_positive(self, "partners", "updates")
        require_not_negative(self, "burn_in", "max_gradient_norm")
        for name in ("epsilon_start", "epsilon_end", "epsilon_anneal", "rate_end"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"Expected `{name}` to be between 0 and 1, got {getattr(self, name)}"
                )
        if self.train_on not in ("correct", "all"):
            raise ValueError(f"Expected `train_on` to be 'correct' or 'all', got {self.train_on!r}")
        if self.reward not in ("margin", "outcome"):
            raise ValueError(f"Expected `reward` to be 'margin' or 'outcome', got {self.reward!r}")

    def rate(self, step: int) -> float:
        """Return the learning rate in step `step`, counted from 0."""
        done = step / max(self.steps - 1, 1)
        return self.learning_rate * (1 - done * (1 - self.rate_end))

    def epsilon(self, step: int) -> float:
        """Return the probability of a random pick in step `step`, counted from 0."""
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
            step: Replay(settings.replay_size, space.max_edits, self.device, self._tried(*step))
            for step in steps
        }
        self.editable = (space.budgets > 0).nonzero().squeeze(1)
        self.queue = self.editable[:0]
        self.spread = self._spread() if settings.reward == "margin" else 1.0

    def learn(
        self, validation: PackedGraphs, threat: ThreatModel, report: Report, goes_on: bool = False
    ) -> list[tuple[int, float, float]]:
        """Learn, leave the best weights in the network, and return the curve.

        The best weights have the lowest robust accuracy on the validation graphs, and of equals the
        lowest margin. Whoever `goes_on` from weights that it has learned before may keep these.
        """
        settings = self.settings
        validation = validation.to(self.device)
        space = EditSpace.of(validation, threat)
        right = margins(self.victim.logits(validation), validation.y) > 0
        for _ in range(settings.burn_in):
            self.play(epsilon=1.0)

        curve: list[tuple[int, float, float]] = []
        losses: list[Tensor] = []
        best = self.evaluate(space, right) if goes_on else (torch.inf, torch.inf)
        weights = {name: part.clone() for name, part in self.network.state_dict().items()}
        for step in range(1, settings.steps + 1):
            self.play(settings.epsilon(step - 1))
            if (step - 1) % settings.target_every == 0:
                self.target.load_state_dict(self.network.state_dict())
            for group in self.optimizer.param_groups:
                group["lr"] = settings.rate(step - 1)
            losses += [self.update() for _ in range(settings.updates)]
            if step % settings.evaluate_every and step < settings.steps:
                continue
            accuracy, margin = self.evaluate(space, right)
            loss = float(torch.stack(losses).mean())
            curve.append((step, loss, accuracy))
            losses = []
            if (accuracy, margin) < best:
                best = accuracy, margin
                weights = {name: part.clone() for name, part in self.network.state_dict().items()}
            text = f"step {step}: loss {loss:.3f}, robust accuracy on validation graphs "
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
                nodes = self._pick(state, graphs, left, half, epsilon)
                reward = torch.zeros(nodes.shape, device=self.device)
                if (left, half) == (1, 1):
                    reward = self._ask(graphs, state, nodes)
                self.replay[left, half].add(Transition(state, nodes, reward))
                node = nodes[:, 0]
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

    def _tried(self, left: int, half: int) -> int:
        """Return how many nodes are tried in a step of the process."""
        return self.settings.partners if (left, half) == (1, 1) else 1

    def _pick(
        self, state: State, graphs: PackedGraphs, left: int, half: int, epsilon: float
    ) -> Tensor:
        """Return epsilon-greedy nodes (B, K), with a coin for each graph.

        Where it shows heads, they are drawn uniformly, else they are those of the highest values,
        the highest first. No node stands there twice; -1 stands where no more are allowed.
        """
        allowed = self.space.allowed(state, graphs, half)
        # The allowed nodes of the highest of uniform keys are a uniform draw.
        keys = torch.rand(graphs.num_nodes, generator=self.generator).to(self.device)
        coin = torch.rand(graphs.num_graphs, generator=self.generator)
        greedy = (coin >= epsilon).to(self.device)
        rows = greedy.nonzero().squeeze(1)
        if 2 * len(rows) > len(greedy):  # taking them out costs more than valuing a few in vain
            values = self.network(graphs, state.picked, left, half)
            keys = torch.where(greedy[graphs.batch], values, keys)
        elif len(rows):
            part = graphs.select(rows)
            keys[greedy[graphs.batch]] = self.network(part, state.picked[rows], left, half)
        return highest_allowed(keys, allowed, graphs, self._tried(left, half))

    def _ask(self, graphs: PackedGraphs, state: State, nodes: Tensor) -> Tensor:
        """Return the rewards (B, K) of ending with each of the nodes (B, K), 0 where there is none.

        One query for each.
        """
        row, column = (nodes >= 0).nonzero(as_tuple=True)
        partner = nodes[row, column]
        pairs = torch.stack([state.picked[row], partner]).sort(0).values
        ends = pairs + graphs.ptr[row]
        exists = graphs.has_edges(ends[0], ends[1])
        asked = Candidates(row, pairs, exists, graphs.num_graphs, self.space.deletes)
        logits = self.victim.candidate_logits(graphs, asked)
        rewards = torch.zeros(nodes.shape, device=self.device)
        rewards[row, column] = self.rewards(margins(logits, graphs.y[row]))
        return rewards

    def rewards(self, margin: Tensor) -> Tensor:
        """Return the rewards of ending with these margins (M,) -> (M,), between -1 and 1.

        "outcome": 1 where the margin is 0 or less, so that the victim errs, else -1. "margin":
        tanh(-margin / spread). It falls with the margin, has the sign of the outcome, and tells
        most near 0, where graphs break. The spread is a quarter of the standard deviation of the
        margins of the clean graphs that it plays on: victims differ in the scale of their logits,
        which says nothing about how robust they are, and one edit moves most margins by less than
        graphs differ.
        """
        if self.settings.reward == "outcome":
            return torch.where(margin > 0, -1.0, 1.0)
        return torch.tanh(-margin / self.spread)

    def _spread(self) -> float:
        """Return a quarter of the standard deviation of the clean graphs' margins.

        1 where they do not differ.

        One query a graph.
        """
        graphs = self.space.graphs.select(self.editable)
        spread = float(margins(self.victim.logits(graphs), graphs.y).std(correction=0)) / 4
        return spread if spread > 0 else 1.0

    def update(self) -> Tensor:
        """Make one update, on transitions of one step of the process, and return its loss ()."""
        # Where budgets differ, the first steps of the largest ones may not have been played yet.
        steps = [step for step, replay in self.replay.items() if len(replay)]
        left, half = steps[int(torch.randint(len(steps), (), generator=self.generator))]
        transition = self.replay[left, half].draw(self.settings.batch_size, self.generator)
        graphs = self.space.realise(transition.state)
        target = self.td_target(transition, graphs, left, half)
        picked = transition.state.picked
        there = transition.node >= 0
        values = self.network.of_actions(graphs, picked, transition.node.clamp(min=0), left, half)
        loss = mse_loss(values[there], target[there])
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
        """Return the target of each transition (B, K).

        It is the reward at the end of an episode, and before it the value of the best allowed next
        pick. `graphs` are those of the transitions' states.
        """
        state, node, reward = transition
        if (left, half) == (1, 1):
            return reward
        node = node[:, 0]  # before the last step there is one
        if half == 0:
            after, step = state.pick(node), (left, 1)
        else:
            after, step = state.edit(node, left), (left - 1, 0)
            graphs = self.space.edited(graphs, state, node)
        allowed = self.space.allowed(after, graphs, step[1])
        values = self.target(graphs, after.picked, *step)
        if not self.settings.double:
            return best_allowed(values, allowed, graphs)[0].unsqueeze(1)
        chosen = best_allowed(self.network(graphs, after.picked, *step), allowed, graphs)[1]
        return values[graphs.ptr[:-1] + chosen].unsqueeze(1)
