"""Contract tests for authors of plug-ins, usable from anybody's test suite.

    from robust_augcl.testing import check_attack

    def test_my_attack():
        check_attack(MyAttack(times=3))

Each of `check_attack`, `check_encoder`, `check_method` and `check_data_source` raises
`ContractBroken`, an `AssertionError`, with a sentence that says what was seen, what is promised,
and what to do. Our own plug-ins are held to the same rules by the same code. With pytest each rule
can be a test of its own:

    @pytest.mark.parametrize("rule", ATTACK_RULES, ids=str)
    def test_my_attack(rule):
        rule(MyAttack())
"""

from __future__ import annotations

from robust_augcl.testing.attacks import ATTACK_RULES, check_attack
from robust_augcl.testing.data_sources import DATA_SOURCE_RULES, check_data_source
from robust_augcl.testing.encoders import ENCODER_RULES, check_encoder
from robust_augcl.testing.methods import METHOD_RULES, check_method
from robust_augcl.testing.rules import ContractBroken, Rule

__all__ = [
    "ATTACK_RULES",
    "DATA_SOURCE_RULES",
    "ENCODER_RULES",
    "METHOD_RULES",
    "ContractBroken",
    "Rule",
    "check_attack",
    "check_data_source",
    "check_encoder",
    "check_method",
]
