"""Live looks: at stored victims, and at attacks on victims that are built for the purpose.

They take a few graphs each, so that they cost little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from robust_augcl.adversary.attack_base import Attack, FitGraphs
from robust_augcl.adversary.guard import run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import message_of
from robust_augcl.graphs.concatenated import concatenate
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.review.apart import ProcessEnded, apart
from robust_augcl.review.audit.evidence import (
    IterationFacts,
    LargeBudgetFacts,
    PlantedFacts,
    VictimFacts,
)
from robust_augcl.review.audit.planted_nodes import (
    Walks,
    is_of_nodes,
    planted_node_victim,
    planted_nodes,
)
from robust_augcl.seeds import generator
from robust_augcl.steps.drift import Drifted, steady
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import apply_all

_PLANTED_NODES, _PLANTED_GRAPHS = 8, 8
_DRAWS = 8

T = TypeVar("T")


def look_at_victim(victim: Victim, graphs: PackedGraphs, threat: ThreatModel) -> VictimFacts:
    """Ask a victim about the same graphs twice, then one by one, then for its gradients."""
    first, second = victim.logits(graphs), victim.logits(graphs)
    try:
        alone = torch.cat(
            [
                victim.logits(graphs.select(index))
                for index in torch.arange(graphs.num_graphs).split(1)
            ]
        )
    except (RuntimeError, ValueError):  # batch normalisation in training mode refuses a single node
        alone = torch.full_like(first, torch.inf)
    scale = first.abs().max().clamp(min=1)
    changes = float((first - second).abs().max()), float((first - alone).abs().max() / scale)
    try:
        candidates = threat.enumerate(graphs, victim.reach)
        towards = (graphs.y + 1) % victim.num_classes
        gradients = victim.edge_gradients(graphs, candidates, towards).abs().max(1).values.cpu()
    except (NotImplementedError, RuntimeError, TypeError, AttributeError) as error:
        return VictimFacts(graphs.num_graphs, *changes, no_gradients=_text(error))
    pieces = [piece for piece in gradients.split(candidates.counts.tolist()) if piece.numel()]
    return VictimFacts(
        num_graphs=graphs.num_graphs,
        repeat_change=changes[0],
        batch_change=changes[1],
        nonfinite_gradients=sum(not bool(piece.isfinite().all()) for piece in pieces),
        zero_gradients=sum(bool((piece == 0).all()) for piece in pieces),
    )


def _text(error: BaseException) -> str:
    """An error in one line, not too long."""
    return message_of(error)[:200]


def carefully(probe: Callable[[], T], attack: Attack, stopped: Callable[[str, bool], T]) -> T:
    """Probe an attack; whatever stops it is a fact: in words, and whether that is grave.

    It is where the attack ended its process, or the victim changed its answers.
    """

    def safely() -> T:
        try:
            return probe()
        except KeyboardInterrupt:
            raise
        except Drifted as error:
            return stopped(message_of(error), True)
        except BaseException as error:  # an attack may even try to end the process
            return stopped(_text(error), False)

    try:
        return apart(safely, attack)
    except ProcessEnded as error:
        return stopped(str(error), True)


# --- planted victims ------------------------------------------------------------------------------


def planted_victim(num_edges: int, *, fragile: bool) -> Victim:
    """A victim that any edit breaks, or that answers 0 to everything.

    The fragile one answers 0 to a graph of `num_edges` undirected edges, 1 to one of more, 2 to one
    of fewer. Its logits, 0, d - 1 and -d - 1 for d twice the edges too many, have a gradient
    everywhere.
    """
    # Walks of one step: a node's degree, whose sum is twice the number of edges.
    encoder = Walks(in_features=1, width=1, layers=1, generator=torch.Generator())
    model = GraphClassifier(encoder, num_classes=3, hidden=1, generator=torch.Generator())
    head: nn.Linear = nn.utils.skip_init(nn.Linear, 1, 3)
    slope = torch.tensor([0.0, 1.0, -1.0]) if fragile else torch.zeros(3)
    with torch.no_grad():
        head.weight.copy_(slope.unsqueeze(1))
        head.bias.copy_(torch.tensor([0.0, -1.0, -1.0]) - 2 * num_edges * slope)
    model.head = nn.Sequential(head)
    return Victim(model)


def planted_graphs(chance: torch.Generator) -> PackedGraphs:
    """Different rings with two chords each: connected, of one number of edges, of class 0."""
    nodes = torch.arange(_PLANTED_NODES)
    rings = []
    for _ in range(_PLANTED_GRAPHS):
        order = torch.randperm(_PLANTED_NODES, generator=chance)
        ring = torch.stack([order[nodes], order[nodes.roll(-1)]])
        chords = torch.stack([order[:2], order[4:6]])  # opposite nodes of the ring
        pairs = torch.cat([ring, chords, ring.flip(0), chords.flip(0)], dim=1)
        keys = (pairs[0] * _PLANTED_NODES + pairs[1]).sort().values
        edges = torch.stack([keys // _PLANTED_NODES, keys % _PLANTED_NODES])
        rings.append(
            PackedGraphs(
                torch.ones(_PLANTED_NODES, 1),
                edges,
                torch.tensor([0, _PLANTED_NODES]),
                torch.zeros(1, dtype=torch.long),
            )
        )
    return concatenate(rings)


def try_on_planted_victims(
    attack: Attack, threat: ThreatModel, name: str, records: Sequence[str]
) -> PlantedFacts:
    """Run an attack, made brief, on a fragile and on a constant victim.

    Its budget is one edit that changes something. Attacks and threats on nodes of one graph are
    tried on such nodes.
    """
    of_nodes = is_of_nodes(attack, threat)
    graphs, fit = (
        planted_nodes() if of_nodes else planted_graphs(generator("planted", purpose))
        for purpose in ("attacked", "fit")
    )
    num_edges = int(graphs.num_undirected_edges[0])
    one_edit = replace(threat, budget=1, allow_existing=False, share_of="graph")
    about = (tuple(records), name, graphs.num_graphs)
    if attack.not_on_planted is not None:
        return PlantedFacts(*about, untried=attack.not_on_planted)

    def probe() -> PlantedFacts:
        broken = []
        for fragile in (True, False):
            victim = (
                planted_node_victim(fragile=fragile)
                if of_nodes
                else planted_victim(num_edges, fragile=fragile)
            )
            draws = generator("planted", name, fragile)
            result = run_attack(
                attack.brief(), victim, graphs, one_edit, fit=FitGraphs(fit, fit), generator=draws
            )
            broken.append(int((result.attacked_prediction != graphs.y).sum()))
        fragile_broken, constant_broken = broken
        return PlantedFacts(*about, fragile_broken, constant_broken)

    def stopped(error: str, grave: bool) -> PlantedFacts:
        return PlantedFacts(*about, error=error, grave=grave)

    return carefully(probe, attack, stopped)


# --- large budgets --------------------------------------------------------------------------------


def try_large_budget(
    attack: Attack,
    victim: Victim,
    graphs: PackedGraphs,
    threat: ThreatModel,
    *,
    budget: int,
    name: str,
    records: Sequence[str] = (),
) -> LargeBudgetFacts | None:
    """Run an attack with a large budget, beside random edits of up to that budget.

    Graphs that are wrong when clean are left out.

    Returns:
        None where the victim gets no graph right.
    """
    right = (victim.logits(graphs).argmax(1).cpu() == graphs.y).nonzero().squeeze(1)
    if not len(right):
        return None
    chosen = graphs.select(right)
    # So many edits of each target, whatever a share was one of.
    wide = replace(threat, budget=budget, allow_existing=False, share_of="graph", shared=False)
    about = (tuple(records), name, chosen.num_graphs, budget)

    def probe() -> LargeBudgetFacts:
        with steady(victim, chosen, "the audit's"):
            result = run_attack(
                attack.brief(),
                victim,
                chosen,
                wide,
                fit=_no_graphs(chosen),
                generator=generator("large budget", name),
            )
            by_chance = random_breaks(victim, chosen, wide, budget)
        broken = result.attacked_prediction != chosen.y
        return LargeBudgetFacts(
            *about,
            broken=int(broken.sum()),
            only_random=int((by_chance & ~broken).sum()),
            only_attack=int((broken & ~by_chance).sum()),
        )

    def stopped(error: str, grave: bool) -> LargeBudgetFacts:
        return LargeBudgetFacts(*about, error=error, grave=grave)

    return carefully(probe, attack, stopped)


def try_half_the_iterations(
    attack: Attack,
    victim: Victim,
    graphs: PackedGraphs,
    threat: ThreatModel,
    *,
    broken: Tensor,
    name: str,
    records: Sequence[str] = (),
) -> IterationFacts | None:
    """Run an attack with half its effort on graphs of which the whole attack broke some.

    `broken` (G,) says which.

    Returns:
        None where the attack declares no effort that can be halved, or cannot be run so.
    """
    full = getattr(attack, attack.effort) if attack.effort else 0
    if attack.effort is None or not isinstance(full, int) or full < 2:
        return None
    about = (tuple(records), name, graphs.num_graphs, attack.effort, full // 2, full)
    changed: dict[str, Any] = {attack.effort: full // 2}

    def probe() -> IterationFacts | None:
        try:
            halved: Attack = replace(attack, **changed)  # type: ignore[type-var]
            with steady(victim, graphs, "the audit's"):
                result = run_attack(
                    halved,
                    victim,
                    graphs,
                    threat,
                    fit=_no_graphs(graphs),
                    generator=generator("half", name),
                )
        except ValueError:  # an effort that another setting does not allow
            return None
        after = (result.attacked_prediction != graphs.y) & (result.clean_prediction == graphs.y)
        only = int((after & ~broken).sum()), int((broken & ~after).sum())
        return IterationFacts(*about, *only)

    def stopped(error: str, grave: bool) -> IterationFacts | None:
        return IterationFacts(*about, error=error, grave=grave)

    return carefully(probe, attack, stopped)


def _no_graphs(graphs: PackedGraphs) -> FitGraphs:
    """What an attack that learns nothing is given to learn on."""
    none = graphs.select(torch.arange(0))
    return FitGraphs(none, none)


def random_breaks(victim: Victim, graphs: PackedGraphs, threat: ThreatModel, budget: int) -> Tensor:
    """Which graphs (G,) some of many random sets of 1, 2, 4, ... and `budget` edits break."""
    chance = generator("random breaks")
    candidates = threat.enumerate(graphs, victim.reach)
    firsts, counts = candidates.ptr.tolist(), candidates.counts.tolist()
    broken = torch.zeros(graphs.num_graphs, dtype=torch.bool)
    sizes = sorted({*(2**power for power in range(budget.bit_length())), budget})
    for _ in range(_DRAWS):
        order = torch.argsort(
            candidates.graph + torch.rand(len(candidates), generator=chance, dtype=torch.float64)
        )
        for size in sizes:
            taken = zip(firsts, counts, strict=False)
            edits = [
                candidates.perturbation(order[first : first + min(size, count)])
                for first, count in taken
            ]
            broken |= victim.logits(apply_all(graphs, edits)).argmax(1).cpu() != graphs.y
    return broken
