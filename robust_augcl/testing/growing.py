"""Attacks whose search answers several budgets: what they answer together and alone."""

from __future__ import annotations

from robust_augcl.adversary.attack_base import GrowingAttack
from robust_augcl.adversary.growing import search_together
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.testing import bench
from robust_augcl.testing.guarded import edits_of, run, threats_of
from robust_augcl.testing.rules import broken
from robust_augcl.testing.settings import seeded
from robust_augcl.threat.model import ThreatModel


def require_answers_as_alone(small: GrowingAttack) -> None:
    """Look at whether an attack gives each of several budgets what its own search gives."""
    several = [ThreatModel(budget, ("add", "delete")) for budget in (1, 2, 3)]
    threats = threats_of(small, within=several)
    some = bench.random_graphs([7, 5, 8, 6], seed=3)
    graphs = bench.as_predicted(
        PackedGraphs.from_data_list([bench.complete_graph(4), *(some[n] for n in range(4))])
    )
    with using(Limits(portion_graphs=2)):  # as where there are many graphs
        found = search_together(small, bench.new_victim(), graphs, threats, generator=seeded(0))
        alone = [run(small, graphs, threat, generator=seeded(0)) for threat in threats]
    for threat, one, together in zip(threats, alone, found, strict=True):
        among = f"budget {threat.budget} among {len(threats)} budgets"
        if edits_of(one.perturbations) != edits_of(together.perturbations):
            broken(f"it answers {among} with other edits than {threat.budget} alone")
        asked = one.queries + one.gradient_calls, together.queries + together.gradient_calls
        if asked[0] != asked[1]:
            broken(f"it asks {asked[1]} questions for {among}, {asked[0]} for it alone")
