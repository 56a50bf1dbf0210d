"""Protocols: who may see which graphs, and what counts as an edit.

`strict` never touches a test graph before the final attack. `paper` is what the published
experiments do (Dai et al. 2018, GraphCL, and so AUGCL), for comparison. Hyper-parameters of an
attack that the protocols set apart are the attack's own (`Attack.paper`). One published practice is
not reproduced: GraphCL's second view on component graphs, a 64-bit buffer read as 32-bit, which
joins nodes to node 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Protocol:
    """What a protocol decides.

    Args:
        name: "strict" or "paper".
        victim_selection: the graphs whose loss chooses the victim's epoch.
        attack_fit: the graphs that an attack learns on: training graphs (and validation graphs to
            choose by), or the test graphs themselves.
        allow_existing: whether an edge that exists may be "added", which changes nothing.
        trains_to_rest: whether victims train until their loss rests, where a suite sets a patience
            (`Training`). If not, for a fixed number of epochs.
    """

    name: str
    victim_selection: Literal["validation", "test"]
    attack_fit: Literal["train", "test"]
    allow_existing: bool
    trains_to_rest: bool


PROTOCOLS = {
    "strict": Protocol(
        "strict",
        victim_selection="validation",
        attack_fit="train",
        allow_existing=False,
        trains_to_rest=True,
    ),
    "paper": Protocol(
        "paper",
        victim_selection="test",
        attack_fit="test",
        allow_existing=True,
        trains_to_rest=False,
    ),
}
