"""Settings of RL-S2V's Q-learning (Dai et al. 2018, arXiv 1806.02371, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
        marks: the node picked first is marked when the second one is valued, as published. Without
            it, each update learns from both halves of an edit; see `TwoStepQ`.
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

    steps: int = 350
    width: int = 32
    rounds: int = 3
    batch_size: int = 50
    learning_rate: float = 5e-3
    rate_end: float = 0.05
    replay_size: int = 50_000
    burn_in: int = 10
    target_every: int = 5
    evaluate_every: int = 35
    epsilon_start: float = 1.0
    epsilon_end: float = 0.1
    epsilon_anneal: float = 0.5
    double: bool = True
    normalise: bool = True
    sees_picked: bool = True
    marks: bool = False
    max_gradient_norm: float = 1.0
    train_on: Literal["correct", "all"] = "correct"
    reward: Literal["margin", "outcome"] = "margin"
    partners: int = 16
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
