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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.errors import InputError, ThreatViolation
from robust_augcl.graphs.node_targets import NodeTargets, degree_of_targets, in_two_components
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.revisions import LATER, in_addresses
from robust_augcl.threat.candidate_space import CandidateSpace
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.node_space import NodeCandidateSpace
from robust_augcl.threat.perturbations import Perturbation, check_form, pack_edits
from robust_augcl.validation import require_one_of

_MOST_EDITS = 2**31 - 1
Operation = Literal["add", "delete"]
Place = Literal["anywhere", "target", "neighbours"]
Setting = Literal["evasion", "poisoning"]


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
        at: where the edited edges lie, of targets that are nodes: "anywhere"; at the "target"
            itself (a direct attack); or at its "neighbours" in the clean graph and not at the
            target (an influencer attack).
        share_of: what a budget that is a fraction is one of: the edges of the "graph", or the
            "degree" of the target node.
        shared: whether all target nodes of a graph are attacked by the same edits (a global
            attack).
        setting: which model the edited graph is judged by: one that is fixed ("evasion"), or one
            that is trained again on the edited graph ("poisoning").

    Raises:
        ValueError: a budget that is not positive, a fraction above 1, no operation, an unknown
            word; a rule that contradicts another one.

    >>> ThreatModel(0.05, shared=True, setting="poisoning").before_fixed_model.setting
    'evasion'
    """

    budget: int | float = 1
    operations: tuple[Operation, ...] = ("add",)
    within_component: bool = False
    allow_existing: bool = False
    at: Place = field(default="anywhere", metadata=LATER)
    share_of: Literal["graph", "degree"] = field(default="graph", metadata=LATER)
    shared: bool = field(default=False, metadata=LATER)
    setting: Setting = field(default="evasion", metadata=LATER)

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
        self._check_places()

    def _check_places(self) -> None:
        """Refuse places and shares that are unknown, or that do not go together."""
        require_one_of(self, "at", get_args(Place))
        require_one_of(self, "share_of", ("graph", "degree"))
        if self.share_of == "degree" and not isinstance(self.budget, float):
            raise ValueError(
                "Expected `budget` to be a fraction where it is a share of the target's degree, "
                f"got {self.budget}"
            )
        if self.shared and (self.at != "anywhere" or self.share_of != "graph"):
            raise ValueError(
                "Expected `at` to be 'anywhere' and `share_of` to be 'graph' where all targets "
                f"share their edits, got {self.at!r} and {self.share_of!r}"
            )
        require_one_of(self, "setting", get_args(Setting))
        if self.poisons and not self.shared:
            raise ValueError(
                "Expected `shared` to be true where `setting` is 'poisoning', got False: the model "
                "is trained again on one edited graph, and edits of each target's own would take a "
                "training for each target"
            )

    @property
    def poisons(self) -> bool:
        """Whether the model is trained again on the edited graph."""
        return self.setting == "poisoning"

    @property
    def before_fixed_model(self) -> ThreatModel:
        """The same edits before a fixed model: what an attack is asked that looks for them."""
        return replace(self, setting="evasion")

    @property
    def of_nodes(self) -> bool:
        """Whether its rules are about targets that are nodes."""
        return self.at != "anywhere" or self.share_of != "graph" or self.shared

    @property
    def rules(self) -> dict[str, Any]:
        """All settings but the budget, by name: what threats of different budgets share.

        Example:
            >>> ThreatModel(3).rules
            {'operations': ('add',), 'within_component': False, 'allow_existing': False}
        """
        return {f.name: getattr(self, f.name) for f in in_addresses(self) if f.name != "budget"}

    def budgets(self, graphs: PackedGraphs) -> Tensor:
        """The number of edits allowed in each graph (G,)."""
        if isinstance(self.budget, int):
            return torch.full_like(graphs.sizes, self.budget)
        whole = graphs.num_undirected_edges
        if self.share_of == "degree":
            whole = degree_of_targets(graphs)
        # The small term keeps 0.1 of 30 edges at 3, which binary floating point puts just below.
        return (whole.double() * self.budget + 1e-9).floor().long().clamp(min=1)

    def candidates(self, data: Data) -> Tensor:
        """Every allowed single edit of one graph as pairs of nodes i < j: (2, M)."""
        return self.enumerate(PackedGraphs.from_data_list([data])).pairs

    def enumerate(self, graphs: PackedGraphs, reach: int | None = None) -> Candidates:
        """Every allowed single edit of every graph, by graph, then i, then j.

        Args:
            graphs: the graphs.
            reach: of target nodes of one graph: only edits with an end within so many hops of the
                target are listed. By itself, no other edit changes what a model says that reaches
                no farther (`Classifier.reach`).
        """
        space = self.space(graphs)
        return space.list(reach) if isinstance(space, NodeCandidateSpace) else space.list()

    def space(self, graphs: PackedGraphs) -> CandidateSpace | NodeCandidateSpace:
        """The allowed single edits of every graph, to be counted, drawn or looked at by node."""
        if isinstance(graphs, NodeTargets):
            return NodeCandidateSpace(graphs, self._space(graphs.graph), self.at)
        if self.at == "anywhere":
            return self._space(graphs)
        raise InputError(
            f"Expected target nodes of one graph for edits at the {self.at}, got other targets"
        )

    def _space(self, graphs: PackedGraphs) -> CandidateSpace:
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
        if self.shared and perturbations:
            first = perturbations[0]
            if any(each is not first for each in perturbations):
                raise ThreatViolation(
                    "Expected one perturbation for all targets, which share their edits, got "
                    "several"
                )
            if len(perturbations) > 1:
                self.check_all(graphs.select(torch.zeros(1, dtype=torch.long)), [first])
                return
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
        for bad, what in self._forbidden(graphs, graph, pairs, added):
            refuse(bad, what)

    def _forbidden(
        self, graphs: PackedGraphs, graph: Tensor, pairs: Tensor, added: Tensor
    ) -> Iterator[tuple[Tensor, str]]:
        """Which edits break a rule, rule by rule (K,); what a rule looks at, those before hold."""
        sizes, none = graphs.sizes.cpu(), torch.zeros_like(added)
        yield (pairs < 0).any(0) | (pairs >= sizes[graph]).any(0), "a node that does not exist"
        yield pairs[0] == pairs[1], "a loop"
        low, high = pairs.min(0).values, pairs.max(0).values
        keys = (graph * int(sizes.max()) + low) * int(sizes.max()) + high
        order = keys.sort(stable=True)
        duplicate = torch.zeros_like(added)
        duplicate[order.indices[1:]] = order.values.diff() == 0
        yield duplicate, "the same undirected edge twice"
        yield none if "add" in self.operations else added, "additions are not allowed"
        yield none if "delete" in self.operations else ~added, "deletions are not allowed"
        of, own = graph.to(graphs.device), pairs.to(graphs.device)
        ends = own + graphs.ptr[of]
        exists = graphs.has_edges(ends[0], ends[1]).cpu()
        if not self.allow_existing:
            yield added & exists, "an edge that is already there"
        yield ~added & ~exists, "an edge that is not there"
        if self.within_component:
            apart = in_two_components(graphs, of, own).cpu()
            yield added & apart, "its ends lie in two components"
        if self.at != "anywhere":
            there = self._at_place(graphs, of, own).cpu()
            yield ~there, f"an edge that does not lie at the {self.at}"

    def _at_place(self, graphs: PackedGraphs, graph: Tensor, pairs: Tensor) -> Tensor:
        """Whether edits (2, K) of targets (K,) lie where they are allowed (K,)."""
        space = self.space(graphs)
        assert isinstance(space, NodeCandidateSpace)
        return space.lie_there(graph, pairs)

    def _check_counts(self, graphs: PackedGraphs, counts: Tensor) -> None:
        """Raise `ThreatViolation` if a graph has more edits than its budget; counts (B,)."""
        budgets = self.budgets(graphs).cpu()
        if bool((counts > budgets).any()):
            first = int((counts > budgets).nonzero()[0])
            raise ThreatViolation(
                f"The perturbation of graph {first} has {int(counts[first])} edits, its budget "
                f"is {int(budgets[first])}"
            )
