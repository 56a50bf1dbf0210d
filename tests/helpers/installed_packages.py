"""Packages with attacks, as a test installs them, and what `list` says of them."""

from __future__ import annotations

import json

from command_line import call
from foreign_attacks import attack_source

NAMED = attack_source("first").replace(
    "access = Access.NONE", 'access = Access.NONE\n    display_name = "Flip one"'
)


def attacks(*lines: str) -> str:
    return "\n".join(["[robust_augcl.attacks]", *lines, ""])


def listed(*options: str) -> dict[str, dict[str, str]]:
    """What `list` says of each attack; where two have a name, the last."""
    found = json.loads(call("list", "--format", "json", *options).out)["attacks"]
    return {f"{entry['name']} {entry['from']}": entry for entry in found}
