"""Files of claims are read strictly; what is wrong is said in one line."""

from __future__ import annotations

import pytest

from robust_augcl import registry
from robust_augcl.errors import InputError
from robust_augcl.plan.claims_file import parse_claims, published_claims

GOOD = """
[[claims]]
name = "a"
source = "a paper"
where = "abstract"
read = "second hand"
protocol = "p"
how = "maximum"
evaluation = "embeddings"
value = 0.08
left = "augcl"
right = "graphcl"
datasets = ["MUTAG"]
"""


def test_a_claim_is_read():
    (claim,) = parse_claims(GOOD, "f.toml")
    assert (claim.left, claim.right, claim.value, claim.attacks) == ("augcl", "graphcl", 0.08, ())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("value = 0.08", "value = 8", "`value` to be a share of at most 1, got 8"),
        ("value = 0.08", 'value = "8 %"', "`value` to be a number, got '8 %'"),
        ("value = 0.08", "value = 0.0", "`value`"),
        ("value = 0.08", "value = true", "`value` to be a number, got True"),
        ("value = 0.08\n", "", "`value` to be a number with how = 'maximum', got nothing"),
        ("second hand", "hearsay", "'source read' or 'second hand', got 'hearsay'"),
        ('right = "graphcl"', "", "`right` to be a method with how = 'maximum', got nothing"),
        ('right = "graphcl"', 'right = "augcl"', "`right` to be another method than `left`"),
        ('right = "graphcl"', 'rigth = "graphcl"', "did you mean 'right'?"),
        ('name = "a"', 'name = "A claim"', "`name`"),
        ("maximum", "accuracy", "`right` to be none with how = 'accuracy', got 'graphcl'"),
        ("maximum", "better", "`value` to be none with how = 'better', got 0.08"),
        (
            "embeddings",
            "under attack",
            "`run_as` to be a protocol with evaluation = 'under attack'",
        ),
        ("embeddings", "clean", "`run_as` to be a protocol with evaluation = 'clean', got nothing"),
        ("embeddings", "nodse", "'nodes', got 'nodse'"),
        ('["MUTAG"]', '["MUTAG"]\nrun_as = "paper"', "`run_as` to be none with evaluation"),
        ('["MUTAG"]', '["MUTAG"]\nbudget = 1', "`budget` to be none with evaluation"),
        ('["MUTAG"]', '["MUTAG"]\nbudget = 1.5', "`budget` to be a whole number, got 1.5"),
        ('["MUTAG"]', '["MUTAG"]\nlayers = [0]', "`layers.0`"),
        ('["MUTAG"]', '["MUTAG"]\nattacks = ["prbcd"]', "`attacks` to be none with evaluation"),
        ('["MUTAG"]', "[]", "`datasets`, or `more_datasets` to be true, got neither"),
        ('left = "augcl"', 'left = ""', "`left`"),
        ("value = 0.08", "value = 0.08\nwithin = 0.1", "`within` to be none with how = 'maximum'"),
        ("0.08", "2.5", "`value` to be a share of at most 1, got 2.5"),
        ("[[claims]]", "[claims]", "`claims` to be an array of tables"),
        ("[[claims]]", "[[claim]]", "did you mean 'claims'?"),
        ("[[claims]]", "[[claims", "Expected a TOML file"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(old, new, words):
    with pytest.raises(InputError) as caught:
        parse_claims(GOOD.replace(old, new), "f.toml")
    message = str(caught.value)
    assert words in message
    assert "f.toml" in message
    assert "\n" not in message


def test_a_count_is_a_whole_number():
    with pytest.raises(InputError, match=r"`value` of a count to be whole, got 2\.5"):
        parse_claims(GOOD.replace("maximum", "count").replace("0.08", "2.5"), "f.toml")


@pytest.mark.parametrize("text", ["", "claims = []", "claims = [1]", GOOD + GOOD])
def test_no_claim_and_a_name_twice_are_refused(text):
    with pytest.raises(InputError, match=r"f\.toml"):
        parse_claims(text, "f.toml")


def test_the_installed_file_is_whole():
    claims = {claim.name: claim for claim in published_claims()}
    assert claims["augcl-robust-up-to-8"].value == 0.08
    assert claims["graphcl-mutag"].value == 0.868
    assert {claim.how for claim in claims.values()} == {"maximum", "better", "count", "accuracy"}
    # GraphCL's table is second hand, and its values are not at hand.
    table = claims["graphcl-robust"]
    assert (table.read, table.value, table.right) == ("second hand", None, "none")


def test_claims_name_what_is_there_to_be_named():
    """Methods, attacks and encoders of claims are plug-ins, but for those that nobody measures."""
    known = {kind: registry.known_names(kind) for kind in ("method", "attack", "encoder")}
    for claim in published_claims():
        if claim.evaluation != "nodes":
            assert {claim.left, claim.right or claim.left} <= set(known["method"])
            assert set(claim.attacks) <= set(known["attack"])
            assert claim.encoder in known["encoder"]
