"""Certificates: graphs whose prediction no allowed set of edits changes.

They are proved by exact search and by sound bounds. The search also finds edits that break other
graphs. Together they bracket the worst case: certified from below, broken from above, by the edits
that the search has found here and by any attack.

Letters: G graphs, M candidates, P pairs of candidates, C classes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from torch_geometric.data import Data

from robust_augcl.graphs.packed import PackedGraphs, pack
from robust_augcl.oracle.answers import OpenAnswers
from robust_augcl.oracle.certified import Certificate, joined
from robust_augcl.oracle.certifier import Certifier, MostTried
from robust_augcl.progress import Report, silent
from robust_augcl.threat.model import ThreatModel


def certify(
    victim: OpenAnswers,
    graphs: PackedGraphs | Sequence[Data],
    threat: ThreatModel,
    *,
    limit: int = 2_000_000,
    evaluations: int = 2_000_000,
    sets: int = 200_000,
    evaluations_in_all: int | None = None,
    report: Report = silent,
) -> Certificate:
    """Certify graphs against a threat.

    Every single edit is tried. Where more are allowed, branch and bound (`oracle.branches`) settles
    the rest, for the classifiers that it knows and up to `MOST_EDITS` edits. For other classifiers,
    every pair is tried that the bound of bounds.py does not prove harmless, and then every larger
    set (`larger_sets`). Sets and evaluations are counted, not timed.

    >>> import torch
    >>> from robust_augcl.adversary.victim import Victim
    >>> from robust_augcl.encoders.gin import GIN
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> draws = torch.Generator().manual_seed(0)
    >>> encoder = GIN(in_features=1, width=4, layers=2, generator=draws)
    >>> victim = Victim(GraphClassifier(encoder, num_classes=3, hidden=4, generator=draws))
    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graphs = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> right = graphs.with_labels(victim.logits(graphs).argmax(1))
    >>> wrong = graphs.with_labels((right.y + 1) % 3)
    >>> certify(victim, right, ThreatModel(2, ("add", "delete"))).exhausted
    tensor([True])
    >>> certify(victim, wrong, ThreatModel(2)).witnesses[0].num_edits
    0

    Args:
        victim: whose predictions are certified; it is asked, and counts the questions.
        graphs: with their true classes.
        threat: what is allowed.
        limit: pairs tried in one graph, at the most. A graph with more pairs that are not proved
            harmless is not exhausted.
        evaluations: of branch and bound in one graph, for each number of edits, at the most. Of
            sets of two edits it makes as many as the limit for pairs, if that is higher. With 0 of
            them all classifiers are searched as those that it does not know.
        sets: of three edits and more that are tried in one graph, at the most, where branch and
            bound does not know the classifier. They are counted before any of them is tried.
        evaluations_in_all: of branch and bound in all graphs together, at the most; a question to
            the victim counts as a thousand of them. None where there is no such limit.
        report: told how far it is.
    """
    packed = pack(graphs).to(victim.device)
    parts, left = [], evaluations_in_all
    for certifier, done in _portions(victim, packed, [threat], MostTried(limit, evaluations, sets)):
        parts.append(certifier.certificate(threat, left))
        left = None if left is None else max(left - int(parts[-1].cost.sum()), 0)
        report(done / packed.num_graphs, f"{done} of {packed.num_graphs} graphs")
    return joined(parts)


def certify_each(
    victim: OpenAnswers,
    graphs: PackedGraphs | Sequence[Data],
    threats: Sequence[ThreatModel],
    most: MostTried,
    seconds: list[float] | None = None,
) -> list[Certificate]:
    """Certify graphs against several threats that differ in their budget alone.

    Each certificate is that of `certify`. Together they take less time: what one budget found is
    not searched again for the next.

    Args:
        victim, graphs: see `certify`.
        threats: what is allowed, the smallest budget first; in another order it takes longer.
        most: what may be tried of one graph.
        seconds: the seconds that each threat took are added to these.

    Raises:
        ValueError: no threat, or threats that differ in more than their budget.
    """
    if not threats or any(threat.rules != threats[0].rules for threat in threats):
        raise ValueError("Expected one or more threats that differ in their budget alone")
    found: list[list[Certificate]] = [[] for _ in threats]
    packed = pack(graphs).to(victim.device)
    took = [0.0] * len(threats) if seconds is None else seconds
    for certifier, _ in _portions(victim, packed, threats, most):
        for place, threat in enumerate(threats):
            start = time.perf_counter()
            found[place].append(certifier.certificate(threat))
            took[place] += time.perf_counter() - start
    return list(map(joined, found))


def _portions(
    victim: OpenAnswers, packed: PackedGraphs, threats: Sequence[ThreatModel], most: MostTried
) -> Iterator[tuple[Certifier, int]]:
    """A certifier for each portion of the graphs, and how many graphs are done with it.

    Raises:
        ValueError: the threats poison. Nothing is proved then.
    """
    if any(threat.poisons for threat in threats):
        raise ValueError("Expected `setting` to be 'evasion' for certificates, got 'poisoning'")
    for portion in packed.portions():
        graphs = packed.select(portion)
        largest = max(int(threat.budgets(graphs).max()) for threat in threats)
        yield Certifier(victim, graphs, most, largest), int(portion[-1]) + 1
