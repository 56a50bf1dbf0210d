"""For which targets it is proved that an attack did as much damage as can be done."""

from __future__ import annotations

from torch import Tensor

from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.oracle.certificates import certify
from robust_augcl.threat.model import ThreatModel


def proved_exact(
    victim: Victim, graphs: PackedGraphs, threat: ThreatModel, clean: Tensor, attacked: Tensor
) -> Tensor:
    """For which targets (G,) no allowed edits could lower the robust accuracy further.

    An attack is not believed when it claims to be exact. Edits that break a target need no proof.
    A target that is wrong when clean is never robust, whatever the edits. Every other target must
    be certified: the oracle tries all that is allowed, whatever the attack has tried.

    Args:
        victim: what was attacked.
        graphs: the targets (G), with their true classes.
        threat: what was allowed.
        clean: the predicted classes before the edits (G,).
        attacked: the predicted classes after the edits (G,).
    """
    y = graphs.y.cpu()
    proved = (clean != y) | (attacked != y)
    standing = (~proved).nonzero().squeeze(1)
    if standing.numel():
        certificate = certify(victim, graphs.select(standing.to(graphs.device)), threat)
        proved[standing] = certificate.certified
    return proved
