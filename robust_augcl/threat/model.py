"""The threat model: which edits of a graph an attack may make.

Letters: G graphs, M candidate pairs. An edit is of one undirected edge, a pair of nodes i < j
numbered within its graph.

Example: on a path of three nodes one edge may be added, since only the ends are not joined yet.

>>> from torch_geometric.data import Data
>>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
>>> data = Data(x=torch.ones(3, 1), edge_index=path, y=torch.tensor([0]))
>>> graphs = PackedGraphs.from_data_list([data])
>>> ThreatModel(budget=1, operations=("add",)).enumerate(graphs).pairs.tolist()
[[0], [2]]
>>> len(ThreatModel(budget=1, operations=("add", "delete")).enumerate(graphs))
3
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.errors import ThreatViolation
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.candidate_space import CandidateSpace
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.perturbations import Perturbation, check_form, pack_edits

_MOST_EDITS = 2**31 - 1
Operation = Literal["add", "delete"]


@dataclass(frozen=True)
class ThreatModel:
    """Which edits are allowed.

    Args:
        budget: edits of undirected edges at the most: a count, or (a float) a fraction of the
            graph's undirected edges, rounded down, at least 1.
        operations: what may be done: "add", "delete", or both.
        within_component: whether an added edge must join two nodes of one connected component of
            the clean graph.
        allow_existing: whether an edge that exists may be "added", which changes nothing (the
            published attacks do).

    Raises:
        ValueError: a budget that is not positive, a fraction above 1, no operation.
    """

    budget: int | float = 1
    operations: tuple[Operation, ...] = ("add",)
    within_component: bool = False
    allow_existing: bool = False

    def __post_init__(self) -> None:
        if not self.budget > 0:
            raise ValueError(f"Expected `budget` to be positive, got {self.budget}")
        if self.budget > _MOST_EDITS:
            raise ValueError(f"Expected `budget` to be at most {_MOST_EDITS}, got {self.budget}")
        if isinstance(self.budget, float) and self.budget > 1:
            raise ValueError(
                "Expected `budget` to be a whole number of edits or a fraction up to 1.0, got "
                f"{self.budget}"
            )
        if (
            not self.operations
            or len(set(self.operations)) != len(self.operations)
            or set(self.operations) - {"add", "delete"}
        ):
            raise ValueError(
                "Expected `operations` to be 'add', 'delete' or both, each once, got "
                f"{list(self.operations)}"
            )

    @property
    def rules(self) -> dict[str, Any]:
        """All settings but the budget, by name: what threats of different budgets share.

        Example:
            >>> ThreatModel(3).rules
            {'operations': ('add',), 'within_component': False, 'allow_existing': False}
        """
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "budget"}

    def budgets(self, graphs: PackedGraphs) -> Tensor:
        """The number of edits allowed in each graph (G,)."""
        if isinstance(self.budget, int):
            return torch.full_like(graphs.sizes, self.budget)
        # The small term keeps 0.1 of 30 edges at 3, which binary floating point puts just below.
        return (
            (graphs.num_undirected_edges.double() * self.budget + 1e-9).floor().long().clamp(min=1)
        )

    def candidates(self, data: Data) -> Tensor:
        """Every allowed single edit of one graph as pairs of nodes i < j: (2, M)."""
        return self.enumerate(PackedGraphs.from_data_list([data])).pairs

    def enumerate(self, graphs: PackedGraphs) -> Candidates:
        """Every allowed single edit of every graph, by graph, then i, then j."""
        return self.space(graphs).list()

    def space(self, graphs: PackedGraphs) -> CandidateSpace:
        """The allowed single edits of every graph, to be counted, drawn or looked at by node."""
        return CandidateSpace(
            graphs,
            edges="delete" in self.operations or self.allow_existing,
            others="add" in self.operations,
            within_component=self.within_component,
            deletes="delete" in self.operations,
        )

    def check(self, data: Data, perturbation: Perturbation) -> None:
        """Raise `ThreatViolation` unless every edit of one graph is allowed."""
        self.check_all(PackedGraphs.from_data_list([data]), [perturbation])

    def check_all(self, graphs: PackedGraphs, perturbations: Sequence[Perturbation]) -> None:
        """Raise `ThreatViolation` unless every edit is allowed; the message names graph and edit.

        Looked for: edits that are no pairs of whole numbers, too many of them, a node that does not
        exist, a loop, one undirected edge twice, an operation that is not allowed, adding an edge
        that exists (unless `allow_existing`), removing one that does not, an added edge between two
        components (if `within_component`).
        """
        if len(perturbations) != graphs.num_graphs:
            raise ThreatViolation(
                f"Expected one perturbation a graph, {graphs.num_graphs}, got {len(perturbations)}"
            )
        for index, perturbation in enumerate(perturbations):
            check_form(index, perturbation)
        graph, pairs, added = pack_edits(perturbations)

        def refuse(bad: Tensor, what: str) -> None:
            if bool(bad.any()):
                first = int(bad.nonzero()[0])
                i, j = pairs[:, first].tolist()
                verb = "adds" if bool(added[first]) else "removes"
                raise ThreatViolation(
                    f"The perturbation of graph {int(graph[first])} {verb} ({i}, {j}): {what}"
                )

        self._check_counts(graphs, torch.bincount(graph, minlength=graphs.num_graphs))
        sizes = graphs.sizes.cpu()
        refuse((pairs < 0).any(0) | (pairs >= sizes[graph]).any(0), "a node that does not exist")
        refuse(pairs[0] == pairs[1], "a loop")
        low, high = pairs.min(0).values, pairs.max(0).values
        keys = (graph * int(sizes.max()) + low) * int(sizes.max()) + high
        order = keys.sort(stable=True)
        duplicate = torch.zeros_like(added)
        duplicate[order.indices[1:]] = order.values.diff() == 0
        refuse(duplicate, "the same undirected edge twice")
        refuse(
            added if "add" not in self.operations else torch.zeros_like(added),
            "additions are not allowed",
        )
        refuse(
            ~added if "delete" not in self.operations else torch.zeros_like(added),
            "deletions are not allowed",
        )
        ends = (pairs + graphs.ptr.cpu()[graph]).to(graphs.device)
        exists = graphs.has_edges(ends[0], ends[1]).cpu()
        if not self.allow_existing:
            refuse(added & exists, "an edge that is already there")
        refuse(~added & ~exists, "an edge that is not there")
        if self.within_component:
            parts = graphs.components
            refuse(
                added & (parts[ends[0]] != parts[ends[1]]).cpu(), "its ends lie in two components"
            )

    def _check_counts(self, graphs: PackedGraphs, counts: Tensor) -> None:
        """Raise `ThreatViolation` if a graph has more edits than its budget; counts (B,)."""
        budgets = self.budgets(graphs).cpu()
        if bool((counts > budgets).any()):
            first = int((counts > budgets).nonzero()[0])
            raise ThreatViolation(
                f"The perturbation of graph {first} has {int(counts[first])} edits, its budget "
                f"is {int(budgets[first])}"
            )
