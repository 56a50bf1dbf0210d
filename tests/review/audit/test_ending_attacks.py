"""An attack that tries to end the process ends no audit."""

from __future__ import annotations

import os
from dataclasses import dataclass

import ending_attacks
import pytest
import torch

from robust_augcl.adversary.attack_base import Attack
from robust_augcl.adversary.victim import Access
from robust_augcl.review.audit.effort import (
    large_budget_reaches_what_can_be_broken,
    more_iterations_change_little,
)
from robust_augcl.review.audit.evidence import Evidence
from robust_augcl.review.audit.foundations import attack_works_on_planted_victims
from robust_augcl.review.audit.probes import (
    planted_graphs,
    planted_victim,
    try_half_the_iterations,
    try_large_budget,
    try_on_planted_victims,
)
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel


@pytest.mark.thorough(but=["Exits", "OwnBase"])
@pytest.mark.parametrize("name", ["Exits", "OwnBase", "Generates", "Cancelled", "WordlessExit"])
def test_a_probe_that_would_end_the_audit_is_told_as_an_error(name):
    attack = getattr(ending_attacks, name)()
    facts = try_on_planted_victims(attack, ThreatModel(), name, ())
    assert facts.error is not None
    assert facts.error.partition(":")[0] in ending_attacks.ENDINGS[name]


@pytest.mark.thorough(but=["Killed-*"])
@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("Killed", "signal SIGKILL: out of memory?"),
        ("Aborts", "signal SIGABRT"),
        ("Alarmed", "signal SIGALRM"),
        ("Closes", "exit code 1"),
    ],
)
def test_a_probe_that_ends_its_process_is_told_so(name, end):
    attack = getattr(ending_attacks, name)()
    facts = try_on_planted_victims(attack, ThreatModel(), name, ())
    assert facts.error == f"it ended its process ({end})"
    assert attack_works_on_planted_victims(Evidence((), planted=(facts,))).status == "FAIL"

    graphs = planted_graphs(generator("graphs"))
    victim = planted_victim(int(graphs.num_undirected_edges[0]), fragile=True)
    large = try_large_budget(attack, victim, graphs, ThreatModel(), budget=4, name=name)
    assert large.error == facts.error
    found = large_budget_reaches_what_can_be_broken(Evidence((), large=(large,)))
    assert (found.status, name in found.evidence, end in found.evidence) == ("FAIL", True, True)


@dataclass(frozen=True)
class EndsAtHalf(Attack):
    access = Access.NONE
    effort = "steps"
    steps: int = 10

    def prepare(self, victim, fit, threat, generator, report=None):
        os._exit(7)


@dataclass(frozen=True)
class RaisesAtHalf(EndsAtHalf):
    def prepare(self, victim, fit, threat, generator, report=None):
        raise SystemExit(0)


@pytest.mark.parametrize(
    ("attack", "error", "status"),
    [
        (EndsAtHalf(), "it ended its process (exit code 7)", "FAIL"),
        (RaisesAtHalf(), "SystemExit: 0", "WARN"),
    ],
)
def test_half_the_effort_that_ends_the_process(attack, error, status):
    graphs = planted_graphs(generator("graphs"))
    victim = planted_victim(int(graphs.num_undirected_edges[0]), fragile=True)
    broken = torch.zeros(graphs.num_graphs, dtype=torch.bool)
    facts = try_half_the_iterations(
        attack, victim, graphs, ThreatModel(), broken=broken, name="mine"
    )
    assert facts.error == error
    found = more_iterations_change_little(Evidence((), halved=(facts,)))
    assert (found.status, found.evidence) == (status, f"mine with steps 5: {error}.")
