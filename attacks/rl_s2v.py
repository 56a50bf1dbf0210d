"""RL-S2V (Dai et al. 2018, arXiv 1806.02371, section 3.2): learn by Q-learning which edits break a victim."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from robust_augcl.attack import Attack, FitGraphs
from robust_augcl.attacks._two_step_q import EditSpace, Replay, State, Transition, TwoStepQ, best_allowed
from robust_augcl.graphs import PackedGraphs
from robust_augcl.progress import Report, silent
from robust_augcl.seeds import spawn
from robust_augcl.threat import Perturbation, ThreatModel
from robust_augcl.victim import Access, VictimView, margins


class CurvePoint(NamedTuple):
    """One evaluation: the step, the mean loss since the last one, and the validation graphs right both clean and attacked."""

    step: int
    loss: float
    validation_robust_accuracy: float


@dataclass(frozen=True)
class RLS2V(Attack):
    access: ClassVar[Access] = Access.QUERY
    paper: ClassVar[dict[str, Any]] = {"epsilon_start": 1.0, "epsilon_end": 1.0, "reward": "sign", "double": False, "train_on": "all"}

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
    reward: Literal["sign", "margin"] = "sign"
    double: bool = False
    train_on: Literal["correct", "all"] = "correct"
    both_heads: bool = False
    clip: float = 0.0
    episodes: int = 50
    zero: bool = False

    def prepare(
        self, victim: VictimView, fit: FitGraphs, threat: ThreatModel, generator: torch.Generator, report: Report = silent
    ) -> GreedyProposer:
        return _Training(self, victim, fit, threat, generator).run(report)


class GreedyProposer:
    def __init__(self, network: TwoStepQ, threat: ThreatModel, device: torch.device, curve: list[CurvePoint]) -> None:
        self.network, self.curve = network, curve
        self._threat, self._device = threat, device

    def __call__(self, graphs: PackedGraphs) -> list[Perturbation]:
        perturbations = []
        for part in torch.arange(graphs.num_graphs).split(200):
            space = EditSpace.of(graphs.select(part).to(self._device), self._threat)
            perturbations += space.perturbations(greedy_edits(self.network, space, torch.arange(len(part), device=self._device)))
        return perturbations


@torch.no_grad()
def greedy_edits(network: TwoStepQ, space: EditSpace, index: Tensor) -> State:
    state = space.start(index)
    for edits_left in range(space.max_edits, 0, -1):
        rows = (space.budgets[state.graph] >= edits_left).nonzero().squeeze(1)
        if rows.numel() == 0:
            continue
        part = state.take(rows)
        graphs = space.realise(part)
        for half in range(2):
            values = network(graphs, part.picked, edits_left, half)
            node = best_allowed(values, space.allowed(part, graphs), graphs)[1]
            part = part.pick(node) if half == 0 else part.edit(node, edits_left)
        state.edits[rows] = part.edits
    return state


class _Training:
    def __init__(self, attack, victim, fit, threat, generator):
        self.attack, self.victim, self.threat = attack, victim, threat
        self.device = victim.device
        train = fit.train.to(self.device)
        clean = margins(victim.logits(train), train.y)
        ok = clean > 0
        if attack.train_on == "correct" and bool(ok.any()):
            train = train.select(ok.nonzero().squeeze(1))
            clean = clean[ok]
        self.clean = clean
        self.space = EditSpace.of(train, threat)
        self.usable = (self.space.budgets > 0).nonzero().squeeze(1).cpu()
        K = self.space.max_edits
        self.K = K
        val = fit.validation.to(self.device)
        self.val_space = EditSpace.of(val, threat)
        self.val_right = margins(victim.logits(val), val.y) > 0
        g = generator
        self.network = TwoStepQ(width=attack.width, rounds=attack.rounds, max_edits=max(K, 1), generator=spawn(g)).to(self.device)
        if attack.zero:
            for h in self.network.heads:
                torch.nn.init.zeros_(h[-1].weight)
        self.target = copy.deepcopy(self.network)
        self.rng = spawn(g)
        self.replay = {(r, h): Replay(attack.replay_size, K, self.device) for r in range(1, K + 1) for h in range(2)}
        self.queue = torch.zeros(0, dtype=torch.long)
        self.scale = clean.abs().mean()

    def next_graphs(self):
        while self.queue.numel() < self.attack.episodes:
            self.queue = torch.cat([self.queue, self.usable[torch.randperm(self.usable.numel(), generator=self.rng)]])
        out, self.queue = self.queue[: self.attack.episodes], self.queue[self.attack.episodes :]
        return out.to(self.device)

    @torch.no_grad()
    def choose(self, part, graphs, edits_left, half, epsilon):
        allowed = self.space.allowed(part, graphs)
        values = torch.rand(graphs.num_nodes, generator=self.rng).to(self.device)
        node = best_allowed(values, allowed, graphs)[1]
        greedy = (torch.rand(graphs.num_graphs, generator=self.rng) >= epsilon).to(self.device)
        if bool(greedy.any()):
            rows = greedy.nonzero().squeeze(1)
            sub = graphs.select(rows)
            values = self.network(sub, part.picked[rows], edits_left, half)
            node[rows] = best_allowed(values, allowed[greedy[graphs.batch]], sub)[1]
        return node

    def rollout(self, epsilon):
        state = self.space.start(self.next_graphs())
        budgets = self.space.budgets[state.graph]
        pending = []
        for r in range(self.K, 0, -1):
            rows = (budgets >= r).nonzero().squeeze(1)
            if rows.numel() == 0:
                continue
            part = state.take(rows)
            graphs = self.space.realise(part)
            for half in range(2):
                node = self.choose(part, graphs, r, half, epsilon)
                if r == 1 and half == 1:
                    end = part.edit(node, r)
                    final = self.space.realise(end)
                    m = margins(self.victim.logits(final), final.y)
                    if self.attack.reward == "sign":
                        rew = torch.where(m <= 0, 1.0, -1.0)
                    else:
                        rew = (self.clean[part.graph] - m) / self.scale
                    self.replay[r, half].add(Transition(part, node, rew))
                else:
                    self.replay[r, half].add(Transition(part, node, torch.zeros(len(node), device=self.device)))
                part = part.pick(node) if half == 0 else part.edit(node, r)
            state.edits[rows] = part.edits

    @torch.no_grad()
    def td(self, t, graphs, r, half):
        if half == 1 and r == 1:
            return t.reward
        if half == 0:
            nxt, gr, nr, nh = t.state.pick(t.node), graphs, r, 1
        else:
            nxt, nr, nh = t.state.edit(t.node, r), r - 1, 0
            gr = self.space.realise(nxt)
        allowed = self.space.allowed(nxt, gr)
        v = self.target(gr, nxt.picked, nr, nh)
        if self.attack.double:
            node = best_allowed(self.network(gr, nxt.picked, nr, nh), allowed, gr)[1]
            return v[gr.ptr[:-1] + node]
        return best_allowed(v, allowed, gr)[0]

    def update(self, opt, r, half):
        t = self.replay[r, half].draw(self.attack.batch_size, self.rng)
        graphs = self.space.realise(t.state)
        target = self.td(t, graphs, r, half)
        loss = mse_loss(self.network.of_action(graphs, t.state.picked, t.node, r, half), target)
        opt.zero_grad()
        loss.backward()
        if self.attack.clip:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.attack.clip)
        opt.step()
        return float(loss.detach())

    def evaluate(self):
        state = greedy_edits(self.network, self.val_space, torch.arange(self.val_space.graphs.num_graphs, device=self.device))
        g = self.val_space.realise(state)
        m = margins(self.victim.logits(g), g.y)
        return float(((m > 0) & self.val_right).float().mean()), float(m[self.val_right].mean())

    def run(self, report):
        a = self.attack
        for _ in range(a.burn_in):
            self.rollout(1.0)
        opt = torch.optim.Adam(self.network.parameters(), lr=a.learning_rate, fused=True)
        best, curve, losses = None, [], []
        for step in range(a.steps):
            frac = min(step / max(a.epsilon_anneal * a.steps, 1), 1.0)
            self.rollout(a.epsilon_start + (a.epsilon_end - a.epsilon_start) * frac)
            if step % a.target_every == 0:
                self.target.load_state_dict(self.network.state_dict())
            for r in range(1, self.K + 1):
                if not a.both_heads:
                    r = int(torch.randint(self.K, (), generator=self.rng)) + 1
                    losses.append(self.update(opt, r, int(torch.randint(2, (), generator=self.rng))))
                    break
                for half in range(2):
                    losses.append(self.update(opt, r, half))
            if (step + 1) % a.evaluate_every == 0 or step + 1 == a.steps:
                acc, mean = self.evaluate()
                curve.append(CurvePoint(step + 1, sum(losses) / len(losses), acc))
                losses = []
                report((step + 1) / a.steps, f"{curve[-1]} {mean:.3f}")
                if best is None or (acc, mean) < best:
                    best, weights = (acc, mean), {k: v.clone() for k, v in self.network.state_dict().items()}
        self.network.load_state_dict(weights)
        return GreedyProposer(self.network, self.threat, self.device, curve)
