"""The attack by branch and bound breaks whatever some allowed set of edits breaks."""

from __future__ import annotations

import pytest
import torch
from brute_force import random_case

from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.adversary.guard import run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.attacks.branch_and_bound import BranchAndBound
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec


@pytest.mark.thorough(but=["operations0-*"])
@pytest.mark.parametrize("encoder", [Structure2Vec, GIN])
@pytest.mark.parametrize("operations", [("add",), ("add", "delete")])
def test_it_breaks_what_any_allowed_set_breaks(encoder, operations):
    beyond = 0
    for number in range(10):
        case = random_case(
            number, encoder=encoder, layers=2, features=1, operations=operations, budget=3
        )
        truth = case.brute_force()
        result = run_attack(
            # A beam of 1 leaves something to the search.
            BranchAndBound(width=1),
            Victim(case.model),
            case.graphs,
            case.threat,
            fit=FitGraphs(case.graphs, case.graphs),
            generator=torch.Generator().manual_seed(0),
        )
        broken = result.attacked_prediction != case.graphs.y
        assert not (broken & ~truth.broken).any()
        if encoder is Structure2Vec:
            assert torch.equal(broken, truth.broken), number
        beyond += int((truth.fewest > 1).sum())
    assert beyond > 0
