"""The plug-ins of this package keep their contracts, rule by rule."""

from __future__ import annotations

import pytest
from acme_attacks.cycles import Cycles
from acme_attacks.far import Far
from acme_attacks.flip import Flip
from acme_attacks.tanh import Tanh

from robust_augcl import testing


@pytest.mark.parametrize("rule", testing.ATTACK_RULES, ids=str)
def test_attack(rule: testing.Rule) -> None:
    rule(Flip(share=0.5))


@pytest.mark.parametrize("rule", testing.ENCODER_RULES, ids=str)
def test_encoder(rule: testing.Rule) -> None:
    rule(Tanh)


def test_method() -> None:
    testing.check_method(Far(strength=0.5))


def test_data_source() -> None:
    testing.check_data_source(Cycles(20))
