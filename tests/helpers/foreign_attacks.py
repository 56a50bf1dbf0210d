"""The source of an attack of other people, and how to forget it."""

from __future__ import annotations

import sys

from robust_augcl import foreign, sources

ATTACK = '''
"""Edit at one end of the list of candidates."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from robust_augcl.adversary.attack_base import Attack
from robust_augcl.adversary.victim import Access

with open(Path(__file__).with_suffix(".imported"), "a") as file:
    file.write("imported\\n")


@dataclass(frozen=True)
class Flip(Attack):
    access = Access.NONE
    times: int = 1

    def prepare(self, victim, fit, threat, generator, report=None):
        def propose(graphs):
            candidates = threat.enumerate(graphs)
            ends = candidates.ptr.tolist()
            return [
                candidates.perturbation(slice(first, first + 1)
                    if WHICH == "first" else slice(last - 1, last))
                for first, last in zip(ends, ends[1:])
            ]

        return propose
'''


def attack_source(which: str) -> str:
    """Source of an attack `Flip` that edits the "first" or the "last" candidate."""
    return ATTACK.replace("WHICH", repr(which))


def forget_foreign() -> None:
    """Consent and imported files are gone, as in a new process."""
    foreign.withdraw()
    for module in [name for name in sys.modules if sources.is_file(name)]:
        del sys.modules[module]
