"""Genetic algorithm: breed sets of edits, fitter ones first (Dai et al. 2018, arXiv 1806.02371).

Source: section 3.3 of the paper.

Letters: G graphs, N nodes of all graphs, P individuals of a graph, K edits of an individual at the
most, M candidates, R individuals of any graphs. An individual is a row of K candidate numbers, each
at most once, -1 beyond its graph's budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from robust_augcl.adversary.attack_base import Attack, FitGraphs, Proposer, at_most, in_parts
from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.attacks._edit_sets import random_order, with_edits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.progress import Report, silent
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation
from robust_augcl.validation import require_positive


@dataclass(frozen=True)
class Genetic(Attack):
    """Let populations of edit sets evolve, one population for each graph.

    The fitness of an individual is the victim's -log p(true class) on the edited graph. A round
    measures the population, and stops for graphs that an individual breaks. For the other graphs,
    half of the parents are the fittest. The others are drawn with probabilities in proportion to
    exp(fitness). Each parent has a child. With the probability `cross_over`, every edit of the
    child comes from the parent or from a random other parent, by a fair coin. Then each edit is
    replaced, with the probability `mutation`, by an edit at one of its ends. The answer is the edit
    set that breaks the graph, else the fittest seen, if it is fitter than the clean graph.

    Departures from the published code: A set never holds a pair twice: a child with such a pair is
    replaced by its parent, and such a mutation does not happen. A mutated edit is drawn from the
    allowed ones, not from all nodes of the component. Unchanged and equal individuals are measured
    once. A graph that is wrong when clean is left alone.

    Args:
        population: P.
        rounds: how often the population is measured.
        cross_over: the probability of a child with edits of two parents.
        mutation: the probability that an edit is replaced.

    Raises:
        ValueError: a value is out of its range.

    >>> Genetic(population=50).brief().population
    20
    """

    access: ClassVar[Access] = Access.QUERY
    display_name: ClassVar[str] = "Genetic algorithm"
    effort: ClassVar[str | None] = "rounds"

    population: int = 50
    rounds: int = 10
    cross_over: float = 0.1
    mutation: float = 0.2

    def __post_init__(self) -> None:
        require_positive(self, "population", "rounds")
        for name in ("cross_over", "mutation"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"Expected `{name}` to be between 0 and 1, got {getattr(self, name)}"
                )

    def brief(self) -> Genetic:
        return at_most(self, population=20)

    def prepare(
        self,
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> Proposer:
        return in_parts(
            lambda graphs: _Evolution(
                self, victim, graphs.to(victim.device), threat, generator
            ).run(),
            report,
        )


class _Evolution:
    """The populations of some graphs."""

    def __init__(
        self,
        attack: Genetic,
        victim: VictimView,
        graphs: PackedGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
    ) -> None:
        self.attack, self.victim, self.graphs, self.generator = attack, victim, graphs, generator
        self.candidates = threat.enumerate(graphs, victim.reach)
        self.neighbourhood = Neighbourhood.of(graphs, self.candidates)
        self.budgets = torch.minimum(threat.budgets(graphs), self.candidates.counts)

    def run(self) -> list[Perturbation]:
        """Return the perturbation of each graph."""
        clean = self.victim.logits(self.graphs)
        best_fitness = cross_entropy(clean, self.graphs.y, reduction="none")
        best = self.candidates.graph.new_full((self.graphs.num_graphs, int(self.budgets.max())), -1)
        alive = ((clean.argmax(1) == self.graphs.y) & (self.budgets > 0)).nonzero().squeeze(1)
        individuals = self.first_population(best.size(1))[alive]
        fitness = torch.zeros(individuals.shape[:2], device=clean.device)
        wrong = torch.zeros(individuals.shape[:2], dtype=torch.bool, device=clean.device)
        changed = torch.ones_like(wrong)
        for number in range(self.attack.rounds if len(alive) else 0):
            owner = alive.unsqueeze(1).expand_as(changed)[changed]
            fitness[changed], wrong[changed] = self.measure(individuals[changed], owner)
            broken = wrong.any(1)
            # An individual that breaks its graph comes before any that does not.
            fittest, place = torch.where(wrong | ~broken.unsqueeze(1), fitness, -torch.inf).max(1)
            better = broken | (fittest > best_fitness[alive])
            best_fitness[alive[better]] = fittest[better]
            best[alive[better]] = individuals[better, place[better]]
            alive, individuals = alive[~broken], individuals[~broken]
            fitness, wrong = fitness[~broken], wrong[~broken]
            if len(alive) == 0 or number + 1 == self.attack.rounds:
                break
            individuals, fitness, changed = self.breed(individuals, fitness)
        return [self.candidates.perturbation(row[row >= 0]) for row in best]

    def first_population(self, width: int) -> Tensor:
        """Return individuals (G, P, K) drawn uniformly."""
        column = torch.arange(width, device=self.budgets.device)
        used = column < self.budgets.unsqueeze(1)
        place = (self.candidates.ptr[:-1].unsqueeze(1) + column)[used]
        shape = self.graphs.num_graphs, self.attack.population, width
        individuals = self.budgets.new_full(shape, -1)
        for number in range(self.attack.population):
            # The first k of a random order of each graph's candidates are a uniform draw without
            # replacement.
            order = random_order(self.candidates.graph, self.generator)
            individuals[:, number][used] = order[place]
        return individuals

    def measure(self, individuals: Tensor, graph: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fitness of individuals, and whether the victim errs.

        Shapes: individuals (R, K), graph (R,) -> (R,), (R,) bool.
        """
        different, inverse = individuals.sort(dim=1).values.unique(dim=0, return_inverse=True)
        owner = torch.empty_like(graph[: len(different)]).scatter(0, inverse, graph)
        y = self.graphs.y[owner]
        if different.size(1) == 1:
            edits = self.candidates.take(different.squeeze(1))
            logits = self.victim.candidate_logits(self.graphs, edits)
        else:
            logits = self.victim.logits(with_edits(self.graphs, self.candidates, different, owner))
        return cross_entropy(logits, y, reduction="none")[inverse], (logits.argmax(1) != y)[inverse]

    def breed(self, individuals: Tensor, fitness: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the next population, the fitness of its parents, and which children are new.

        Shapes: individuals (G, P, K), fitness (G, P) -> (G, P, K), (G, P), (G, P) bool.
        """
        graphs, size, width = individuals.shape
        # Selection.
        parent = self.parents(fitness)
        parents = individuals.gather(1, parent.unsqueeze(2).expand(-1, -1, width))
        # Cross-over.
        other = torch.randint(size, (graphs, size), generator=self.generator).to(parents.device)
        crossed = self.random(graphs, size, 1) < self.attack.cross_over
        from_other = crossed & (self.random(graphs, size, width) < 0.5)
        children = mixed(parents, other, from_other)
        # Mutation.
        mutates = self.random(graphs, size, width) < self.attack.mutation
        at_second = self.random(graphs, size, width) < 0.5
        draw = self.random(graphs, size, width)
        children = self.neighbourhood.mutated(children, mutates, at_second, draw)
        return children, fitness.gather(1, parent), (children != parents).any(2)

    def parents(self, fitness: Tensor) -> Tensor:
        """Return who has children (G, P): the fitter half by rank, then draws.

        They are drawn in proportion to exp(fitness).
        """
        size = fitness.size(1)
        fittest = fitness.argsort(dim=1, descending=True, stable=True)[:, : size - size // 2]
        if size < 2:
            return fittest
        drawn = torch.multinomial(
            fitness.softmax(1).cpu(), size // 2, replacement=True, generator=self.generator
        )
        return torch.cat([fittest, drawn.to(fitness.device)], dim=1)

    def random(self, *shape: int) -> Tensor:
        """Return uniform numbers in [0, 1)."""
        return torch.rand(*shape, generator=self.generator).to(self.budgets.device)


def mixed(parents: Tensor, other: Tensor, from_other: Tensor) -> Tensor:
    """Return children: each parent with the edits `from_other` taken from another parent.

    Where a pair would come twice, the child is the parent.

    Shapes: parents (G, P, K), other, the number of a parent of the same graph (G, P), from_other
    (G, P, K) bool -> (G, P, K).

    >>> parents, other = torch.tensor([[[1, 2], [3, 2]]]), torch.tensor([[1, 0]])
    >>> mixed(parents, other, torch.tensor([[[True, False], [False, True]]])).tolist()
    [[[3, 2], [3, 2]]]
    """
    others = parents.gather(1, other.unsqueeze(2).expand_as(parents))
    children = torch.where(from_other, others, parents)
    ordered = children.sort(dim=2).values
    twice = ((ordered.diff(dim=2) == 0) & (ordered[:, :, 1:] >= 0)).any(2, keepdim=True)
    return torch.where(twice, parents, children)


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """The candidates at each node.

    Args:
        ends: the two nodes of each candidate, numbered over all graphs (2, M).
        at: candidates, node after node (2M,).
        first: the place of each node's first candidate, and 2M at the end (N + 1,).
    """

    ends: Tensor
    at: Tensor
    first: Tensor

    @classmethod
    def of(cls, graphs: PackedGraphs, candidates: Candidates) -> Neighbourhood:
        """List the candidates at each node."""
        ends = candidates.pairs + graphs.ptr[candidates.graph]
        order = torch.argsort(ends.flatten(), stable=True)
        counts = torch.bincount(ends.flatten(), minlength=graphs.num_nodes)
        return cls(
            ends,
            order % max(len(candidates), 1),
            torch.cat([counts.new_zeros(1), counts.cumsum(0)]),
        )

    def mutated(self, individuals: Tensor, mutates: Tensor, second: Tensor, draw: Tensor) -> Tensor:
        """Return individuals with the edits `mutates` replaced, one after the other.

        An edit stays where its replacement would bring a pair twice.

        Args:
            individuals: (G, P, K).
            mutates: which edits (G, P, K).
            second: whether the new edit is at the second node of the old one (G, P, K), else at its
                first.
            draw: which of the candidates there, a uniform number in [0, 1) (G, P, K).
        """
        out = individuals.clone()
        for column in range(out.size(2)):
            place = (mutates[:, :, column] & (out[:, :, column] >= 0)).nonzero(as_tuple=True)
            node = self.ends[second[:, :, column][place].long(), out[:, :, column][place]]
            count = self.first[node + 1] - self.first[node]
            drawn = (draw[:, :, column][place] * count).long().clamp(max=count - 1)
            new = self.at[self.first[node] + drawn]
            fresh = (out[place] != new.unsqueeze(1)).all(1)
            out[place[0][fresh], place[1][fresh], column] = new[fresh]
        return out
