"""The contract of attacks: what an attack declares, and how it is run to see whether that is so."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from robust_augcl import registry
from robust_augcl.adversary.attack_base import (
    Attack,
    CombiningAttack,
    FitGraphs,
    GrowingAttack,
    LearningAttack,
)
from robust_augcl.adversary.guard import fit_attack
from robust_augcl.adversary.victim import Access
from robust_augcl.errors import (
    AccessViolation,
    GuardViolation,
    InputError,
    ThreatViolation,
    message_of,
)
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.testing import bench
from robust_augcl.testing.growing import require_answers_as_alone
from robust_augcl.testing.guarded import (
    edits_of,
    fit_graphs,
    found_by_others,
    graphs_to_attack,
    predicted_for,
    run,
    some_threat,
    threats_of,
    victim_for,
)
from robust_augcl.testing.rules import Contract, broken, require
from robust_augcl.testing.settings import (
    add_settings_rules,
    check_text,
    same_by_chance_passed_in,
    seeded,
)
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import apply_all

CONTRACT = Contract()
add_settings_rules(CONTRACT, Attack)


def check_attack(attack: Attack | type[Attack], *, skip: Iterable[str] = ()) -> None:
    """Check that an attack keeps its contract.

    It is run many times on small graphs, as `attack.brief()`. The rules are `ATTACK_RULES`.

    Args:
        attack: an instance, or a class that needs no settings.
        skip: the names of rules that are not checked.

    Raises:
        ContractBroken: the first rule that is broken, with what was seen and what to do.

    >>> from robust_augcl import registry
    >>> check_attack(registry.load("attack", "rand_sampling"))
    """
    CONTRACT.hold(attack() if isinstance(attack, type) else attack, skip)


# --- what it declares -----------------------------------------------------------------------------


@CONTRACT.rule(
    "declared",
    "An attack declares what it is in class attributes: `access`, `display_name`, `exact`, "
    "`max_budget`, `effort`, `most_tried`, `encoders`, `paper`.",
    "See the class attributes of robust_augcl.adversary.attack_base.Attack.",
)
def _declared(attack: Attack) -> None:
    access = getattr(attack, "access", None)
    require(isinstance(access, Access), f"its `access` is {access!r}, no Access")
    check_text(attack, "display_name")
    require(type(attack.exact) is bool, f"its `exact` is {attack.exact!r}, not True or False")
    most = attack.max_budget
    require(
        most is None or (type(most) is int and most >= 1),
        f"its `max_budget` is {most!r}, neither None nor a number of at least 1",
    )
    fields = {field.name for field in dataclasses.fields(attack)}  # type: ignore[arg-type]
    for name in ("effort", "most_tried"):
        setting = getattr(attack, name)
        fits = setting is None or setting in fields
        require(fits, f"its `{name}` {setting!r} is none of its settings")
    if wrong := sorted(set(attack.paper) - fields):
        broken(f"its `paper` sets {wrong}, which are none of its settings")
    for name in attack.encoders:
        try:
            registry.load("encoder", name)
        except InputError as error:
            broken(f"its `encoders` name {name!r}: {error}")


@CONTRACT.rule(
    "scale",
    "`scaled` and `brief` return attacks of the same class.",
    "Return dataclasses.replace(self, ...), or self.",
)
def _scale(attack: Attack) -> None:
    for name, made in (("scaled(0.5)", attack.scaled(0.5)), ("brief()", attack.brief())):
        require(type(made) is type(attack), f"`{name}` returns {made!r}")


# --- how it behaves -------------------------------------------------------------------------------


_RULES_BROKEN = (AccessViolation, ThreatViolation, GuardViolation)
"""What the guard raises; each has a rule of its own."""


@CONTRACT.rule(
    "runs",
    "An attack answers for small graphs, and raises nothing.",
    "Look at where it raised that: below this error, and in the code of the attack.",
)
def _runs(attack: Attack) -> None:
    with suppress(*_RULES_BROKEN):  # the rules that follow say which
        run(attack.brief(), graphs_to_attack(attack), some_threat(attack))


@CONTRACT.rule(
    "access",
    "An attack asks its victim for nothing beyond its `access`.",
    "Declare a higher `access`, or ask for less.",
)
def _access(attack: Attack) -> None:
    try:
        run(attack.brief(), graphs_to_attack(attack), some_threat(attack))
    except AccessViolation as error:
        broken(f"declared access does not suffice: {error}")
    except (Exception, SystemExit):
        return  # other rules say which


@CONTRACT.rule(
    "inputs",
    "An attack leaves the graphs that it is given as they are.",
    "Clone a tensor before you write into it.",
)
def _inputs(attack: Attack) -> None:
    try:
        run(attack.brief(), graphs_to_attack(attack), some_threat(attack))
    except GuardViolation as error:
        if "changed the" in str(error):
            broken(str(error))
    except (Exception, SystemExit):
        return  # other rules say which


@CONTRACT.rule(
    "threat",
    "An attack answers with a list of one Perturbation a graph, of edits that the threat allows: "
    "within the budget, of its operations, each pair of nodes once.",
    "Take edits from threat.enumerate(graphs) or threat.space(graphs), and at most "
    "threat.budgets(graphs) of them.",
)
def _threat(attack: Attack) -> None:
    for threat in threats_of(attack):
        try:
            run(attack.brief(), graphs_to_attack(attack), threat)
        except (ThreatViolation, GuardViolation) as error:
            broken(f"under {threat}: {error}")
        except AccessViolation:
            return  # of which there is a rule
        except Exception as error:
            broken(f"under {threat} it raised {message_of(error)}")


@CONTRACT.rule(
    "nodes",
    "An attack takes targets that are nodes in graphs as it takes whole graphs.",
    "Use graphs.y and the victim's answers, and ask nothing of `target_node`.",
)
def _nodes(attack: Attack) -> None:
    graphs = bench.random_graphs([7, 5, 8, 4, 6], seed=3)
    at_nodes = dataclasses.replace(graphs, target_node=graphs.sizes // 2)
    run(attack.brief(), bench.as_predicted(at_nodes), some_threat(attack))


@CONTRACT.rule(
    "nothing to edit",
    "An attack leaves a graph alone that has no candidates: complete, without edges, of a single "
    "node, or without nodes; also where all graphs of a batch are so, and where there are none.",
    "Answer with an empty Perturbation() where the graph has no candidate.",
)
def _nothing_to_edit(attack: Attack) -> None:
    empty, alone, bare = bench.graph(0, []), bench.graph(1, []), bench.graph(4, [])
    full = bench.complete_graph(4)
    other = bench.random_graphs([6], seed=6)[0]
    cases = [
        (ThreatModel(1), [full, alone, empty]),
        (ThreatModel(1), [empty, full, other, alone]),
        (ThreatModel(1, ("delete",)), [bare, alone, other, bare]),
        (ThreatModel(1, ("add", "delete")), [alone, other]),
    ]
    for threat, given in cases:
        if not threats_of(attack, within=[threat]):
            continue
        targets = [data for data in given if data.num_nodes or not attack.nodes_only]
        graphs = predicted_for(attack, PackedGraphs.from_data_list(targets))
        result = run(attack.brief(), graphs, threat)
        counts = threat.enumerate(graphs).counts.tolist()
        for number, (count, edits) in enumerate(zip(counts, result.perturbations, strict=True)):
            if count == 0 and edits.num_edits:
                broken(f"it edits graph {number}, which has no candidates under {threat}")


@CONTRACT.rule(
    "chance",
    "All chance comes from the generator that is passed in: the same state gives the same edits, "
    "and no global random state is touched.",
    "Pass `generator` to every function that draws.",
)
def _chance(attack: Attack) -> None:
    threat = threats_of(attack)[-1]

    def edits(generator: torch.Generator) -> Any:
        result = run(attack.brief(), graphs_to_attack(attack), threat, generator=generator)
        return edits_of(result.perturbations)

    same_by_chance_passed_in(edits, lambda a, b: a == b, "edits")


@CONTRACT.rule(
    "one by one",
    "An attack that draws nothing does to a graph in a batch what it does to the graph alone.",
    "Let no graph of a batch decide over another one.",
)
def _one_by_one(attack: Attack) -> None:
    if isinstance(attack, CombiningAttack):
        return  # what it combines is about one batch
    threat, chance = threats_of(attack)[0], seeded(0)
    graphs = predicted_for(attack, bench.graphs_without_symmetry(4))
    small, fitted = attack.brief(), None
    if isinstance(small, LearningAttack):
        fitted = fit_attack(
            small, victim_for(attack), threat, fit=fit_graphs(attack), generator=seeded(1)
        )
    together = run(small, graphs, threat, generator=chance, fitted=fitted)
    if not torch.equal(chance.get_state(), seeded(0).get_state()):
        return  # what it draws depends on its company
    for number in range(graphs.num_graphs):
        alone = run(small, graphs.select(torch.tensor([number])), threat, fitted=fitted)
        left, right = float(alone.attacked_margin[0]), float(together.attacked_margin[number])
        if abs(left - right) > 1e-3:
            broken(f"graph {number} has the margin {left:.4f} alone, {right:.4f} in a batch")


@CONTRACT.rule(
    "exact",
    "Where an attack claims to be exact, no single allowed edit does more damage.",
    "Set `exact` to False, or search all edits.",
)
def _exact(attack: Attack) -> None:
    if not attack.exact:
        return
    threat, graphs, victim = (
        ThreatModel(1, ("add", "delete")),
        graphs_to_attack(attack),
        victim_for(attack),
    )
    result = run(attack, graphs, threat, victim=victim)
    candidates = threat.enumerate(graphs)
    logits = victim.candidate_logits(graphs, candidates)
    margin = margins(logits, graphs.y[candidates.graph])
    for number in range(graphs.num_graphs):
        mine: Tensor = margin[candidates.graph == number]
        lowest = min(float(mine.min()), float(result.clean_margin[number]))
        stands = float(result.attacked_margin[number]) > 0
        if stands and lowest < -1e-4:
            broken(f"it leaves graph {number} standing, though an edit gives it {lowest:.4f}")


@CONTRACT.rule(
    "learning",
    "What an attack has learned can be kept: `restore(state)` proposes as the proposer did that "
    "has learned it, and takes another victim too.",
    "Put everything that the proposer needs into `state()`, and read nothing else in `restore`.",
)
def _learning(attack: Attack) -> None:
    small = attack.brief()
    if not isinstance(small, LearningAttack):
        return
    threat, graphs = threats_of(attack)[0], graphs_to_attack(attack).copy()
    fit, victim = FitGraphs(*(part.copy() for part in fit_graphs(attack))), victim_for(attack)
    view = victim.restricted(attack.access)
    proposer = small.prepare(view, fit, threat, seeded(0))
    state = {name: value.clone() for name, value in proposer.state().items()}
    restored = small.restore(state, view, threat)
    first, again = edits_of(proposer(graphs)), edits_of(restored(graphs))
    require(first == again, "restored from its state, it proposes other edits")
    other = victim_for(attack, 1).restricted(attack.access)
    answers = small.restore(state, other, threat)(graphs)
    require(len(answers) == graphs.num_graphs, "turned on another victim, it answers otherwise")


@CONTRACT.rule(
    "combining",
    "An attack that combines others has a field `of`, empty by default, and answers with what the "
    "others found, or nothing.",
    "Take each graph's edits from `found`.",
)
def _combining(attack: Attack) -> None:
    if not isinstance(attack, CombiningAttack):
        return
    fields = {field.name: field for field in dataclasses.fields(attack)}  # type: ignore[arg-type]
    require("of" in fields and fields["of"].default == (), "its field `of` is not () by default")
    threat, graphs, victim = threats_of(attack)[0], graphs_to_attack(attack), victim_for(attack)
    found = found_by_others(graphs, threat, victim)
    result = run(attack, graphs, threat, victim=victim, fitted=found)
    margin = margins(victim.logits(apply_all(graphs, result.perturbations)), graphs.y)
    offered = torch.cat([found.state["clean_margin"][None], found.state["attacked_margin"]])
    known = ((offered - margin).abs() < 1e-3).any(0)
    require(bool(known.all()), "it answers with edits that none of the others found")


@CONTRACT.rule(
    "growing",
    "An attack whose search answers several budgets gives each the answer that its own search "
    "gives, and asks the victim no more for it.",
    "Yield the answer to a threat before you work on the next one, let no larger budget decide "
    "over it, and draw nothing that depends on how many threats there are.",
)
def _growing(attack: Attack) -> None:
    if isinstance(small := attack.brief(), GrowingAttack):
        require_answers_as_alone(small)


ATTACK_RULES = tuple(CONTRACT.rules)
"""The rules of attacks; each is called with an instance."""
