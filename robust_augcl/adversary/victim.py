"""The victim: a frozen classifier, seen through a declared access level.

Letters: G graphs, C classes, M candidate edits.

Example: a victim of random weights, which counts the graphs that it was asked about.

>>> from torch_geometric.data import Data
>>> from robust_augcl import registry
>>> from robust_augcl.models.classifier import GraphClassifier
>>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
>>> data = Data(x=torch.ones(3, 1), edge_index=path, y=torch.tensor([0]))
>>> chance = torch.Generator().manual_seed(0)
>>> gin = registry.load("encoder", "gin")(in_features=1, width=4, layers=2, generator=chance)
>>> victim = Victim(GraphClassifier(gin, num_classes=2, hidden=4, generator=chance))
>>> victim.logits(PackedGraphs.from_data_list([data])).shape, victim.queries
(torch.Size([1, 2]), 1)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.adversary.victim_view import Access as Access
from robust_augcl.adversary.victim_view import VictimView as VictimView
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs, pack
from robust_augcl.models.classifier_base import Capabilities, Classifier, LocalParts
from robust_augcl.models.verdicts import Verdicts
from robust_augcl.oracle.answers import AnswerPairs, AskAgain, answers_pairs
from robust_augcl.oracle.edge_gradients import Loss, RelaxedEdits, by_states, by_weights, of_relaxed
from robust_augcl.oracle.node_gradients import node_gradients
from robust_augcl.oracle.node_logits import NodeLogits, pieces_of
from robust_augcl.oracle.pair_logits import EVERY_PAIR, PairLogits
from robust_augcl.oracle.partial_edits import PartialEdits
from robust_augcl.oracle.prepared_logits import PreparedLogits
from robust_augcl.oracle.single_logits import Questions, candidate_logits, chunks
from robust_augcl.threat.candidates import Candidates


class Victim:
    """A frozen classifier in evaluation mode that counts what it is asked.

    What is close is decided in double precision (`models.verdicts`), whatever the question: an
    attack, the oracle and whoever judges see the same predictions.

    Args:
        model: the classifier; it is put in evaluation mode and its parameters are frozen.
    """

    def __init__(self, model: Classifier) -> None:
        self._model = model.eval().requires_grad_(False)
        self._verdicts = Verdicts(self._model)
        self._of_nodes = NodeLogits(self._model)
        self.num_classes = model.num_classes
        self.device = model.device
        self.queries = 0
        self.gradient_calls = 0

    @property
    def model(self) -> Classifier:
        """The classifier itself, for certificates.

        An attack sees a `VictimView`, which has none.
        """
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        """What the classifier can do, and why it cannot do the rest."""
        return self._model.capabilities

    def refuses(self, access: Access) -> str | None:
        """Return why the victim cannot answer an attack of this access, None if it can."""
        able = self.capabilities
        if access >= Access.GRADIENT and not able.edge_weights:
            return able.reasons["edge_weights"]
        if access == Access.WEIGHTS and self._model.parts is None:
            return "its parts are not known one by one, so they cannot be handed over"
        return None

    @torch.no_grad()
    def get_ready(self, graphs: PackedGraphs) -> None:
        """Find out what must be known of the classifier before an attack runs; no query is counted.

        That is whether it has double precision (`Verdicts.try_double`): while an attack runs, what
        the attack has changed could decide it.
        """
        self._verdicts.try_double(graphs.to(self.device))

    @torch.no_grad()
    def logits(self, graphs: PackedGraphs | Sequence[Data]) -> Tensor:
        """Logits (G, C), one query a graph."""
        packed = pack(graphs).to(self.device)
        self.queries += packed.num_graphs
        parts = pieces_of(self._model, packed)
        pieces = (
            [self._model(packed)]
            if len(parts) == 1
            else [self._model(packed.select(index)) for index in parts]
        )
        if not pieces:
            return torch.zeros(0, self.num_classes, device=self.device)
        return self._verdicts.decide(torch.cat(pieces), packed.select)

    @torch.no_grad()
    def precise_logits(self, graphs: PackedGraphs) -> Tensor | None:
        """Logits (G, C) by the same weights in double precision; None where the model has none.

        They tell whoever judges how much single precision rounds. No attack may ask, and no query
        is counted.
        """
        packed = graphs.to(self.device)
        pieces = [torch.zeros(0, self.num_classes, dtype=torch.double, device=self.device)]
        for index in pieces_of(self._model, packed):
            piece = self._verdicts.precise(packed.select(index))
            if piece is None:
                return None
            pieces.append(piece)
        return torch.cat(pieces)

    @torch.no_grad()
    def candidate_logits(
        self, graphs: PackedGraphs | Sequence[Data], candidates: Candidates
    ) -> Tensor:
        """Logits (M, C) of the graphs after one candidate each. One query a candidate.

        Where the encoder is a `LocalEncoder`, only what an edit changes is computed; predictions
        are those of a full evaluation, which decides wherever the two highest logits are close.
        """
        packed = pack(graphs).to(self.device)
        return self._of_candidates(packed, candidates, partial(candidate_logits, self._model))

    def prepared_logits(self, graphs: PackedGraphs | Sequence[Data]) -> AskAgain:
        """Prepare graphs for many questions about candidates of some of them.

        The answer takes numbers of graphs (B,), of which one may appear many times, and candidates
        (M) of a copy of these graphs. It returns what `candidate_logits` does for this copy. One
        query a candidate that is asked about; what is prepared is nothing that is shown.
        """
        packed = pack(graphs).to(self.device)
        ready = PreparedLogits(self._model, packed)

        @torch.no_grad()
        def ask(index: Tensor, candidates: Candidates) -> Tensor:
            index = index.to(self.device)
            return self._of_candidates(packed.select(index), candidates, partial(ready, index))

        return ask

    def _of_candidates(
        self,
        packed: PackedGraphs,
        candidates: Candidates,
        answer: Callable[[Questions], Tensor],
    ) -> Tensor:
        """Logits (M, C) of the graphs after one candidate each, counted and decided."""
        self.queries += len(candidates)
        candidates = candidates.to(self.device)
        questions = Questions(packed, candidates.graph, candidates.pairs, candidates.changes)
        every = torch.arange(len(questions), device=self.device)
        logits = (
            self._of_nodes(questions.edited(every))
            if isinstance(packed, NodeTargets)
            else answer(questions)
        )
        return self._verdicts.decide(logits, questions.edited)

    @torch.no_grad()
    def pair_logits(
        self, graphs: PackedGraphs | Sequence[Data], candidates: Candidates
    ) -> AnswerPairs:
        """Prepare graphs for questions about pairs of candidates.

        The answer takes the numbers of two different candidates of one graph, (P,) and (P,), and
        returns the logits (P, C) of the graphs after both. One query a pair that is asked about;
        what is prepared is nothing that is shown.
        """
        packed = pack(graphs).to(self.device)
        ready = PairLogits(self._model, packed, candidates.to(self.device))

        @torch.no_grad()
        def ask(one: Tensor, other: Tensor) -> Tensor:
            self.queries += one.numel()
            one, other = one.to(self.device), other.to(self.device)
            logits = (
                self._of_nodes(ready.edited(one, other))
                if isinstance(packed, NodeTargets)
                else ready(one, other)
            )
            return self._verdicts.decide(
                logits, lambda index: ready.edited(one[index], other[index])
            )

        is_whole = isinstance(packed, NodeTargets)
        return answers_pairs(ask, EVERY_PAIR if is_whole else ready.at_once)

    def edge_gradients(
        self, graphs: PackedGraphs | Sequence[Data], candidates: Candidates, towards: Tensor
    ) -> Tensor:
        """Gradients of each graph's cross-entropy with respect to the weights of candidates.

        The cross-entropy is that for the class `towards`.
        A candidate that is not an edge has weight 0, one that is has weight 1. Both directions
        stand apart.

        Shapes: towards (G,) -> (M, 2): i to j, j to i; towards T classes a graph (G, T) -> (M, 2,
        T). One gradient call a graph and class.
        """
        packed = pack(graphs).to(self.device)
        columns = towards.to(self.device).reshape(packed.num_graphs, -1)
        self.gradient_calls += columns.numel()
        if isinstance(packed, NodeTargets):
            out = node_gradients(self._model, packed, candidates.to(self.device), columns)
            return out if towards.dim() == 2 else out.squeeze(2)
        plain = self._model.plain_sums
        out = packed.x.new_zeros(len(candidates), 2, columns.size(1))
        ptr = candidates.ptr.to(self.device)
        graph, pairs = candidates.graph.to(self.device), candidates.pairs.to(self.device)
        # Where candidates are messages, each costs two directed edges in each round, a node about
        # as much as one.
        for index in chunks(packed.sizes if plain else packed.sizes + 2 * ptr.diff()):
            first, last = int(index[0]), int(index[-1]) + 1
            own = slice(int(ptr[first]), int(ptr[last]))
            gradients = by_states if plain else by_weights
            out[own] = gradients(
                self._model,
                packed.select(index),
                graph[own] - first,
                pairs[:, own],
                columns[first:last],
            )
        return out if towards.dim() == 2 else out.squeeze(2)

    def relaxed(
        self,
        graphs: PackedGraphs | Sequence[Data],
        candidates: Candidates,
        weights: Tensor,
        loss: Loss,
    ) -> tuple[Tensor, Tensor]:
        """Each graph's loss with its candidates edited in part, and its gradient.

        The gradient is with respect to the parts.
        A candidate of weight w in [0, 1] adds an edge of weight w, or leaves an edge that it
        deletes the weight 1 - w. `loss` takes logits (B, C) of some of the graphs and these graphs'
        numbers (B,), and returns (B,), with autograd; it is given no module.

        Shapes: weights (M,) -> (G,), (M,). One gradient call a graph.
        """
        packed = pack(graphs).to(self.device)
        self.gradient_calls += packed.num_graphs
        ptr = candidates.ptr.to(self.device)
        graph, pairs, weights = (
            part.to(self.device) for part in (candidates.graph, candidates.pairs, weights)
        )
        change = (torch.where(candidates.exists, -1, 1) * candidates.changes).to(self.device)
        x = packed.graph.x if isinstance(packed, NodeTargets) else packed.x
        losses, gradient = x.new_zeros(packed.num_graphs), x.new_zeros(len(candidates))
        for index in chunks(packed.sizes + 2 * ptr.diff()):
            first, last = int(index[0]), int(index[-1]) + 1
            own = slice(int(ptr[first]), int(ptr[last]))
            numbers, parts = graph[own] - first, (pairs[:, own], change[own], weights[own])
            edits = RelaxedEdits(packed.select(index), numbers, *parts)
            losses[first:last], gradient[own] = of_relaxed(self._model, edits, loss, index)
        return losses, gradient

    def parts(self) -> LocalParts:
        """Copies of the encoder and of the head, which nobody else holds.

        What is asked of the copies is not counted.

        Raises:
            ValueError: a classifier that is not made of such parts.
        """
        found = self._model.parts
        if found is None:
            raise ValueError(f"Expected a victim of known parts: {self.refuses(Access.WEIGHTS)}")
        return copy.deepcopy(found)

    def partial_edits(
        self, graphs: PackedGraphs | Sequence[Data], candidates: Candidates, loss: Loss
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """Prepare graphs for questions about candidates that are made in part.

        The answer takes numbers of candidates (K,), sorted by graph, and their parts (K,); it
        returns the gradient in these (K,), as `relaxed` does. One gradient call a graph and time.
        """
        packed, candidates = pack(graphs).to(self.device), candidates.to(self.device)
        ready = PartialEdits(self._model, packed, candidates, loss)

        def ask(index: Tensor, parts: Tensor) -> Tensor:
            index = index.to(self.device)
            self.gradient_calls += len(candidates.graph[index].unique_consecutive())
            return ready(index, parts.to(self.device))

        return ask

    @property
    def reach(self) -> int | None:
        """How many hops from a target node the nearer end of an edit lies that matters, at most.

        None where that is not known.
        """
        return self._model.reach

    def restricted(self, access: Access) -> VictimView:
        """Return the victim as an attack of this access level sees it."""
        return VictimView(self, access)
