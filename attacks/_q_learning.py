"""Q-learning of RL-S2V (Dai et al. 2018, arXiv 1806.02371, section 3).

Letters: G graphs, B graphs of a batch, K nodes tried in a step of the process.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.nn.utils import clip_grad_norm_

from robust_augcl.adversary.victim import VictimView
from robust_augcl.attacks._edit_process import EditSpace, State, best_allowed, highest_allowed
from robust_augcl.attacks._greedy_picks import act_greedily
from robust_augcl.attacks._q_settings import QLearning
from robust_augcl.attacks._replay_memory import Replay, Transition
from robust_augcl.attacks._two_step_q import States, TwoStepQ
from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.progress import Report
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.model import ThreatModel


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
        self.ask_again = victim.prepared_logits(space.graphs)
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
        Where no validation graph is right when clean, none are better: the last ones are left.

        Raises:
            InputError: there is no validation graph.
        """
        if validation.num_graphs == 0:
            raise InputError(
                "Expected validation graphs, on which the attack chooses its weights, got none: "
                "give the data set a validation part, or leave the attack out"
            )
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
            if (accuracy, margin) < best or not right.any():
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
            shared = self.network.shared_states(graphs) if epsilon < 1 else None
            for half in range(2):
                nodes = self._pick(state, graphs, left, half, epsilon, shared)
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
        self,
        state: State,
        graphs: PackedGraphs,
        left: int,
        half: int,
        epsilon: float,
        shared: States | None = None,
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
        # Taking a few out costs more than valuing the others in vain.
        if shared is not None or 2 * len(rows) > len(greedy):
            values = self.network(graphs, state.picked, left, half, shared)
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
        if bool((state.edits >= 0).any()):
            logits = self.victim.candidate_logits(graphs, asked)
        else:  # the training graphs themselves, which come again and again
            logits = self.ask_again(state.graph, asked)
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
        """Make one update and return its loss ().

        It learns from transitions of one half of an edit; without marks from both halves, as one
        pass over the graphs serves both.
        """
        # Where budgets differ, the first steps of the largest ones may not have been played yet.
        steps = [step for step, replay in self.replay.items() if len(replay)]
        left, half = steps[int(torch.randint(len(steps), (), generator=self.generator))]
        # Both halves of an edit were added together, so they stand at the same places.
        places = self.replay[left, half].places(self.settings.batch_size, self.generator)
        halves = (half,) if self.network.marks else (0, 1)
        graphs = self.space.realise(self.replay[left, half].at(places).state)
        shared = self.network.shared_states(graphs)
        losses = [
            self._loss(self.replay[left, each].at(places), graphs, left, each, shared)
            for each in halves
        ]
        loss = torch.stack(losses).sum()
        self.optimizer.zero_grad()
        loss.backward()
        if self.settings.max_gradient_norm:
            clip_grad_norm_(self.network.parameters(), self.settings.max_gradient_norm)
        self.optimizer.step()
        return loss.detach()

    def _loss(
        self,
        transition: Transition,
        graphs: PackedGraphs,
        left: int,
        half: int,
        shared: States | None,
    ) -> Tensor:
        """Return the mean squared error of the picks' values ()."""
        target = self.td_target(transition, graphs, left, half, shared)
        picked, there = transition.state.picked, transition.node >= 0
        nodes = transition.node.clamp(min=0)
        values = self.network.of_actions(graphs, picked, nodes, left, half, shared)
        return mse_loss(values[there], target[there])

    @torch.no_grad()
    def td_target(
        self,
        transition: Transition,
        graphs: PackedGraphs,
        left: int,
        half: int,
        shared: States | None = None,
    ) -> Tensor:
        """Return the target of each transition (B, K).

        It is the reward at the end of an episode, and before it the value of the best allowed next
        pick. `graphs` are those of the transitions' states, and `shared` the network's states of
        them that serve both halves, if known.
        """
        state, node, reward = transition
        if (left, half) == (1, 1):
            return reward
        node = node[:, 0]  # before the last step there is one
        if half == 0:
            after, step = state.pick(node), (left, 1)
        else:
            after, step, shared = state.edit(node, left), (left - 1, 0), None
            graphs = self.space.edited(graphs, state, node)
        allowed = self.space.allowed(after, graphs, step[1])
        values = self.target(graphs, after.picked, *step)
        if not self.settings.double:
            return best_allowed(values, allowed, graphs)[0].unsqueeze(1)
        online = self.network(graphs, after.picked, *step, shared)
        chosen = best_allowed(online, allowed, graphs)[1]
        return values[graphs.ptr[:-1] + chosen].unsqueeze(1)
