"""What the attacks of DeepRobust share: from targets and threats to its plain graphs, and back.

Letters: T targets, N nodes of a graph, C classes, L nodes of known class.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch

from robust_augcl.adversary.attack_base import Attack, FitGraphs, Proposer
from robust_augcl.adversary.deeprobust import trained_surrogate
from robust_augcl.adversary.dense_victim import DenseVictim
from robust_augcl.adversary.plain_graph import PlainGraph, adjacency_of, edits_between
from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.errors import InputError
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.targets import Targets
from robust_augcl.progress import Report, silent
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

_MOST_ASKED = 256  # nodes whose classes the victim is asked for at once


@dataclass(frozen=True, eq=False)
class Task:
    """What an attack is asked to do at once.

    Args:
        graph: the clean graph, with the true classes of the targets.
        targets: nodes that are attacked (T,).
        edits: how many there may be.
        operations: what they may do: "add", "delete", or both.
        surrogate: what is attacked in the victim's place, where the attack asks for one.
        generator: the source of all chance.
    """

    graph: PlainGraph
    targets: np.ndarray
    edits: int
    operations: tuple[str, ...]
    surrogate: Any
    generator: torch.Generator

    @property
    def target(self) -> int:
        """The target, of an attack on one."""
        return int(self.targets[0])


class DeepRobustAttack(Attack):
    """Base of the attacks of DeepRobust.

    Class attributes:
        trains: whether it attacks a surrogate that it trains.
        guesses: whether it needs a class of every node: the victim is asked for those that are not
            known.
        operations: what it does; a threat that forbids one of them is refused.
        everywhere: whether its edits may be anywhere, not at the target alone.

    Attributes:
        influences: whether its edits are at neighbours of the target.
        most_nodes: of a graph; larger ones are refused. None: any.
    """

    nodes_only: ClassVar[bool] = True
    trains: ClassVar[bool] = False
    guesses: ClassVar[bool] = False
    operations: ClassVar[tuple[str, ...]] = ("add", "delete")
    everywhere: ClassVar[bool] = False
    most_nodes: int | None = None

    @property
    def influences(self) -> bool:
        return False

    def refuses(self, threat: ThreatModel) -> str | None:
        missing = [name for name in self.operations if name not in threat.operations]
        if missing:
            return f"it may {missing[0]} edges, and nothing can stop it"
        if "add" in self.operations and threat.within_component:
            return "it may join two components"
        if self.everywhere and threat.at != "anywhere":
            return f"its edits may be anywhere, not only at: {threat.at}"
        if not self.everywhere and not self.influences and threat.at == "neighbours":
            return "its edits are at the target, not at its neighbours"
        return None

    @abstractmethod
    def work(self, task: Task) -> Any:
        """The adjacency matrix (N, N) that DeepRobust makes."""

    def surrogate_of(self, victim: VictimView, fit: FitGraphs, generator: torch.Generator) -> Any:
        """What is attacked in the victim's place: trained, the victim itself, or nothing."""
        if self.trains:
            graph, validation = training_of(fit)
            return trained_surrogate(graph, validation, victim.num_classes, generator)
        if victim.access == Access.WEIGHTS:
            return DenseVictim(victim.parts(), victim.num_classes)
        return None

    def prepare(
        self,
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> Proposer:
        surrogate = self.surrogate_of(victim, fit, generator)

        def propose(graphs: PackedGraphs) -> list[Perturbation]:
            plain = PlainGraphs(victim, fit.train, self.guesses)
            budgets = threat.budgets(graphs).tolist()

            def task_of(targets: PackedGraphs, edits: int) -> Task:
                graph, nodes = plain.of(targets), _nodes(targets)
                return Task(graph, nodes, edits, threat.operations, surrogate, generator)

            if threat.shared:
                return [self._answer(task_of(graphs, budgets[0]))] * graphs.num_graphs
            answers = []
            for number, budget in enumerate(budgets):
                one = graphs.select(torch.tensor([number]))
                answers.append(self._answer(task_of(one, budget)))
                report(len(answers) / len(budgets), f"{len(answers)} of {len(budgets)} nodes")
            return answers

        return propose

    def _answer(self, task: Task) -> Perturbation:
        if task.graph.num_nodes < 2:
            return Perturbation()
        if self.most_nodes is not None and task.graph.num_nodes > self.most_nodes:
            raise InputError(
                f"Expected a graph of at most {self.most_nodes} nodes for {self.display_name} "
                f"(`most_nodes`), got {task.graph.num_nodes}"
            )
        if isinstance(task.surrogate, DenseVictim):
            adjacency = torch.from_numpy(task.graph.adjacency.toarray())
            task.surrogate.remember(torch.from_numpy(task.graph.x), adjacency)
        return edits_between(task.graph.adjacency, self.work(task))


class PlainGraphs:
    """Targets' graphs as plain matrices; of targets in one graph, it is made once.

    Args:
        victim: it is asked for classes that are not known.
        known: the training targets with their classes.
        guesses: whether every node needs a class.
    """

    def __init__(self, victim: VictimView, known: PackedGraphs, guesses: bool) -> None:
        self._victim, self._known, self._guesses = victim, known, guesses
        self._last: tuple[PackedGraphs, PlainGraph] | None = None

    def of(self, graphs: PackedGraphs) -> PlainGraph:
        """The one graph of these targets, with their true classes and all others that are known."""
        one = _first(graphs)
        one = _graph_of(one) or one
        if self._last is None or not _same(self._last[0], one):
            self._last = one, self._made(one)
        plain = self._last[1]
        y = plain.y.copy()
        y[_nodes(graphs)] = graphs.y.cpu().numpy()
        return replace(plain, y=y)

    def _made(self, one: PackedGraphs) -> PlainGraph:
        adjacency = adjacency_of(one.edge_index, one.num_nodes)
        y = np.zeros(one.num_nodes, dtype=np.int64)
        known = np.zeros(0, dtype=np.int64)
        known_in = _first(self._known)
        if _same(_graph_of(known_in) or known_in, one):
            known = _nodes(self._known)
        if self._guesses or not len(known):
            y = self._predicted(one)
        if len(known):
            y[known] = self._known.y.cpu().numpy()
        else:  # whoever learns on other graphs takes the victim's word for this one
            known = np.arange(one.num_nodes)
        return PlainGraph(adjacency, one.x.cpu().numpy(), y, known)

    def _predicted(self, one: PackedGraphs) -> np.ndarray:
        if self._victim.access < Access.QUERY:
            return np.zeros(one.num_nodes, dtype=np.int64)
        nodes = torch.arange(one.num_nodes)
        found = [torch.zeros(0, dtype=torch.long)]
        for part in nodes.split(_MOST_ASKED):
            zeros = torch.zeros_like(part)
            found.append(self._victim.logits(Targets(zeros, part, zeros).pack(one)).argmax(1).cpu())
        return torch.cat(found).numpy()


def training_of(fit: FitGraphs) -> tuple[PlainGraph, np.ndarray]:
    """The graph of the training targets, and those validation targets that lie in it too.

    Training targets of many graphs are taken as nodes of all these graphs side by side.
    """
    one = _graph_of(fit.train)
    graph = fit.train if one is None else one
    rows = fit.train.target_rows.cpu().numpy() if one is None else _nodes(fit.train)
    y = np.zeros(graph.num_nodes, dtype=np.int64)
    y[rows] = fit.train.y.cpu().numpy()
    validation = np.zeros(0, dtype=np.int64)
    other = _graph_of(fit.validation)
    if one is not None and other is not None and _same(one, other):
        validation = _nodes(fit.validation)
        y[validation] = fit.validation.y.cpu().numpy()
    adjacency = adjacency_of(graph.edge_index, graph.num_nodes)
    return PlainGraph(adjacency, graph.x.cpu().numpy(), y, rows), validation


def _graph_of(graphs: PackedGraphs) -> PackedGraphs | None:
    """The one graph that holds all targets, None where each has its own."""
    return graphs.graph if isinstance(graphs, NodeTargets) else None


def _first(graphs: PackedGraphs) -> PackedGraphs:
    return graphs.select(torch.tensor([0]))


def _same(one: PackedGraphs, other: PackedGraphs) -> bool:
    """Whether two graphs have the same nodes and edges."""
    return torch.equal(one.edge_index, other.edge_index) and torch.equal(one.x, other.x)


def _nodes(graphs: PackedGraphs) -> np.ndarray:
    assert graphs.target_node is not None
    return graphs.target_node.cpu().numpy()
