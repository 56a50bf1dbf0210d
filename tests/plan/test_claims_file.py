"""Files of claims are read strictly; what is wrong is said in one line."""

from __future__ import annotations

import pytest

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
value = 0.08
left = "augcl"
right = "graphcl"
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
        ("value = 0.08\n", "", "`value`, got nothing"),
        ("second hand", "hearsay", "'source read' or 'second hand', got 'hearsay'"),
        ('right = "graphcl"', "", "`right` to be a method for a maximum, got None"),
        ('right = "graphcl"', 'rigth = "graphcl"', "did you mean 'right'?"),
        ('name = "a"', 'name = "A claim"', "`name`"),
        ("maximum", "accuracy", "`right` to be none for an accuracy, got 'graphcl'"),
        ('left = "augcl"', 'left = ""', "`left`"),
        ("value = 0.08", "value = 0.08\nwithin = 0.1", "`within` to be none for a maximum"),
        ('how = "maximum"\nvalue = 0.08', 'how = "count"\nvalue = 2.5', "to be whole, got 2.5"),
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


@pytest.mark.parametrize("text", ["", "claims = []", "claims = [1]", GOOD + GOOD])
def test_no_claim_and_a_name_twice_are_refused(text):
    with pytest.raises(InputError, match=r"f\.toml"):
        parse_claims(text, "f.toml")


def test_the_installed_file_is_whole():
    claims = {claim.name: claim for claim in published_claims()}
    assert claims["augcl-robust-up-to-8"].value == 0.08
    assert claims["graphcl-mutag"].value == 0.868
    assert {claim.how for claim in claims.values()} == {"maximum", "count", "accuracy"}
