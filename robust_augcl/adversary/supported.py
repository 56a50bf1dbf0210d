"""What an attack must be able to do before it runs: with the threat, the victim, the targets."""

from __future__ import annotations

from robust_augcl.adversary.attack_base import Attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.model import ThreatModel


def check_supported(attack: Attack, threat: ThreatModel) -> None:
    """Raise `ValueError` if the attack cannot keep to the threat model.

    So it is where it cannot make as many edits, or where it makes others (`Attack.refuses`). Every
    attack looks for edits before a fixed model (`ThreatModel.before_fixed_model`).
    """
    if threat.poisons:
        raise ValueError(
            "Expected `setting` to be 'evasion' where an attack looks for edits, got 'poisoning': "
            "it asks a fixed model, and only a suite trains that model again"
        )
    limit = attack.max_budget
    if limit is not None and isinstance(threat.budget, float):
        whole = "a graph's edges" if threat.share_of == "graph" else "the target's degree"
        raise ValueError(
            f"Expected `budget` to be a whole number of edits, {limit} at most, for the attack "
            f"{type(attack).__name__}, got {threat.budget}, a share of {whole}"
        )
    if limit is not None and threat.budget > limit:
        raise ValueError(
            f"Expected `budget` to be at most {limit} for the attack {type(attack).__name__}, "
            f"got {threat.budget}"
        )
    if threat.shared and not attack.shares_edits:
        raise ValueError(
            "Expected an attack that can edit a graph once for all of its targets, as the threat "
            f"says (`shared`), got {type(attack).__name__}, which edits it for each"
        )
    if reason := attack.refuses(threat):
        raise ValueError(
            f"Expected a threat that the attack {type(attack).__name__} can keep to, got one that "
            f"it cannot: {reason}"
        )


def check_answers(attack: Attack, victim: Victim) -> None:
    """Raise `ValueError` if the victim cannot answer what the attack may ask, with the reason."""
    reason = victim.refuses(attack.access)
    if reason is not None:
        raise ValueError(
            f"Expected a victim that answers {attack.access.name.lower()} access for the attack "
            f"{type(attack).__name__}, got one that does not: {reason}"
        )


def check_targets(attack: Attack, graphs: PackedGraphs) -> None:
    """Raise `ValueError` if the attack takes nodes alone, and the targets are graphs."""
    if attack.nodes_only and graphs.target_node is None:
        raise ValueError(
            f"Expected targets that are nodes for the attack {type(attack).__name__}, which knows "
            "no other ones, got graphs"
        )


def check_threat(threat: ThreatModel, graphs: PackedGraphs) -> None:
    """Raise `ValueError` if a threat has rules about nodes of one graph, and the targets are
    others.
    """
    if threat.of_nodes and not isinstance(graphs, NodeTargets):
        raise ValueError(
            "Expected targets that are nodes of one graph for a threat with `at`, `share_of` or "
            "`shared`, got others"
        )
