"""What one search says of some targets within several budgets, as its artifact holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from robust_augcl.errors import ArtifactDamaged, shown
from robust_augcl.results.measurements import StoredCertificate, stored_certificate, targets_of


@dataclass(frozen=True)
class StoredCertificates:
    """Certificates of the same targets within several budgets.

    Args:
        certificates: one a budget.
        dataset, victim: the digests of what they are about.
    """

    beside: ClassVar[tuple[str, ...]] = ("answer_seconds",)

    certificates: list[StoredCertificate]
    dataset: str
    victim: str


def stored_certificates(info: Any, source: str) -> StoredCertificates:
    """Read the info of the artifact; `source` names the file in errors.

    Raises:
        ArtifactDamaged: anything but what a run writes, to the type; or certificates that are not
            about the same.

    Example:
        >>> columns = ("graphs", "certified", "settled", "lower_margin", "witnesses")
        >>> threat = {"type": "ThreatModel", "budget": 2, "operations": ["add"]}
        >>> threat |= {"within_component": False, "allow_existing": False}
        >>> one = {name: [] for name in columns}
        >>> one |= {"threat": threat, "dataset": "", "victim": ""}
        >>> len(stored_certificates({"certificates": [one, one]}, "a file").certificates)
        2
    """
    if type(info) is not dict or info.keys() != {"certificates"}:
        raise ArtifactDamaged(f"{source}: expected `certificates` alone, got {shown(info)}")
    listed = info["certificates"]
    if type(listed) is not list or not listed:
        raise ArtifactDamaged(
            f"{source}: expected `certificates` to be a list of one or more, got {shown(listed)}"
        )
    found = [stored_certificate(each, source) for each in listed]
    about = [(each.dataset, each.victim, targets_of(each)) for each in found]
    if any(each != about[0] for each in about):
        raise ArtifactDamaged(
            f"{source}: expected certificates of the same targets, data set and victim, got others"
        )
    return StoredCertificates(found, found[0].dataset, found[0].victim)
