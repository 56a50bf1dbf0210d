"""Proofs that the audit and the transfers in a run's folder are what its records give.

Stamps can be forged as well as what they stand on. So both are made again, and compared. Attacks
learn on for it where what they learned is computed again, too: where that took next to no time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.results.findings import ATTACKERS_AT_REST, ORDER, Audit, Finding
from robust_augcl.results.records import Record
from robust_augcl.results.transfers import Transfer, Transfers
from robust_augcl.review.audit.pairs import tie_of
from robust_augcl.review.audit.run import audit_records, make_gatherer
from robust_augcl.review.proofs import Proof
from robust_augcl.review.side_files import AGAIN, AUDIT, TRANSFER, held
from robust_augcl.review.stored_run import QUICK_SECONDS
from robust_augcl.review.transfer import transfer_records
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder

_SHOWN = 3
_UNDECIDED = 100  # of so many graphs, one may have a prediction that rounding decides
_TINY = re.compile(r"\b\d+(\.\d+)?e-\d+\b")  # a number the size of rounding


@dataclass(frozen=True)
class Proved:
    """The audit and the transfers of a folder's records, made again.

    Args:
        audit, transfers: what a report of the records is made from.
        proofs: file -> what was proved of it, and what is not so.
    """

    audit: Audit
    transfers: Transfers | None
    proofs: dict[str, Proof]


def prove_side_files(
    folder: RunFolder,
    manifest: Manifest,
    records: Sequence[Record],
    quick_seconds: float = QUICK_SECONDS,
) -> Proved:
    """Make the audit and the transfers of records again, and compare those that the folder holds.

    Nothing is written. The records must have been replayed: that they hold is not looked at again.

    Args:
        folder, manifest: the run's.
        records: those of the folder, which hold.
        quick_seconds: attacks learn on again where each learned no longer, by its own word.

    Raises:
        InputError: the folder's manifest holds no valid suite, or one that asks for other records.
    """
    there = held(folder, records)
    proofs = {name: Proof("", [problem]) for name, problem in there.problems.items()}
    audit, on_trust = _audited(folder, manifest, records, there.audit, quick_seconds)
    if there.audit is not None:
        problems = audits_differ(there.audit, audit)
        text = f"{len(audit.findings) - len(on_trust)} checks made again, they say the same"
        for check in on_trust:
            text += f"; {check!r} is on trust, since learning took longer than {quick_seconds:g} s"
        proofs[AUDIT] = _proof(text, problems, AUDIT)
    transfers = None
    try:
        transfers = transfer_records(folder, records)
    except ArtifactDamaged as error:
        if there.transfers is not None:
            proofs[TRANSFER] = Proof("", [f"cannot be made again: {error}"])
    if there.transfers is not None and transfers is not None:
        problems = transfers_differ(there.transfers, transfers)
        text = f"{len(transfers.entries)} transfers made again, they are the same"
        proofs[TRANSFER] = _proof(text, problems, TRANSFER)
    # Where both agree, a report may rest on the one that is there.
    agree = {name for name, proof in proofs.items() if not proof.problems}
    return Proved(
        there.audit if there.audit and AUDIT in agree else audit,
        there.transfers if there.transfers and TRANSFER in agree else transfers,
        dict(sorted(proofs.items())),
    )


def _audited(
    folder: RunFolder,
    manifest: Manifest,
    records: Sequence[Record],
    stored: Audit | None,
    quick_seconds: float,
) -> tuple[Audit, list[str]]:
    """The audit of records, made again, and the checks of it that are taken from the stored one."""
    gatherer = make_gatherer(folder, manifest)
    gatherer.take_as_replayed(records)
    learned = [record for record in records if record.attacker is not None]
    is_quick = all(record.fit_seconds <= quick_seconds for record in learned)
    told = [] if stored is None else [f for f in stored.findings if f.check == ATTACKERS_AT_REST]
    if is_quick or not told or not _may_be_said_of(learned, told[0]):
        return audit_records(folder, manifest, records, gatherer), []
    made = audit_records(folder, manifest, records, gatherer, learn_on=False)
    findings = [told[0] if f.check == ATTACKERS_AT_REST else f for f in made.findings]
    return replace(made, findings=tuple(findings)), [ATTACKERS_AT_REST]


def _may_be_said_of(learned: Sequence[Record], finding: Finding) -> bool:
    """Whether a finding on attackers speaks against none of the attacks that learned, or some.

    What it says against one of an attack's records it says against all of them.
    """
    of_attack: dict[tuple[str, str], set[str]] = {}
    for record in learned:
        of_attack.setdefault((record.cell.attack, record.cell.protocol), set()).add(record.key)
    against = {key for keys in of_attack.values() if keys & set(finding.cells) for key in keys}
    if len(set(finding.cells)) != len(finding.cells) or set(finding.cells) != against:
        return False
    return bool(against) if finding.status in ("WARN", "FAIL") else finding.status == "PASS"


def audits_differ(stored: Audit, made: Audit) -> list[str]:
    """What an audit says that the audit of the same records, made again, does not say.

    Not compared are the seconds that it took, and numbers the size of rounding, which are others on
    another machine.

    Example:
        >>> one, other = (Audit("", (Finding("a", status, "x"),)) for status in ("PASS", "FAIL"))
        >>> audits_differ(one, one), audits_differ(one, other)
        ([], ["'a' says PASS, made again it says FAIL"])
    """
    if [finding.check for finding in stored.findings] != [each.check for each in made.findings]:
        return ["its checks are not those of an audit"]
    problems = []
    pairs = zip(stored.findings, made.findings, strict=True)
    for old, new in sorted(pairs, key=lambda pair: ORDER.index(pair[1].status)):
        if old.status != new.status:
            problems.append(f"{old.check!r} says {old.status}, made again it says {new.status}")
        elif _said(old) != _said(new):
            problems.append(f"{old.check!r} says something else of the results when made again")
    return _some(problems)


def transfers_differ(stored: Transfers, made: Transfers) -> list[str]:
    """What stored transfers say that those between the same records, made again, do not say.

    Margins may differ by as much as between machines.
    """
    if [(each.source, each.target) for each in stored.entries] != [
        (each.source, each.target) for each in made.entries
    ]:
        return ["its pairs of victims are not those of the results"]
    return _some(
        [
            f"the edits of {new.source} on the victim of {new.target} do something else"
            for old, new in zip(stored.entries, made.entries, strict=True)
            if _differs(old, new)
        ]
    )


def _differs(stored: Transfer, made: Transfer) -> bool:
    """Whether a transfer says something else than the same one, made again.

    Where rounding may decide a prediction, another one is believed of one graph in a hundred, and
    of one where there are fewer.
    """
    if not len(stored.attacked) == len(stored.margins) == len(made.attacked):
        return True
    tie, by_rounding = tie_of(made.margins), 0
    columns = zip(stored.attacked, stored.margins, made.attacked, made.margins, strict=True)
    for old, old_margin, new, new_margin in columns:
        is_near = abs(old_margin - new_margin) <= tie  # which a margin that is no number is not
        if not is_near or old_margin != round(old_margin, 6):
            return True
        if old != new:
            if not abs(new_margin) <= tie:
                return True
            by_rounding += 1
    return by_rounding > max(1, len(made.attacked) // _UNDECIDED)


def _said(finding: Finding) -> tuple[str, tuple[str, ...]]:
    return _TINY.sub("", finding.evidence), finding.cells


def _proof(text: str, problems: list[str], name: str) -> Proof:
    if not problems:
        return Proof(text, [])
    return Proof("", [*problems[:-1], f"{problems[-1]}; {AGAIN[name]}"])


def _some(problems: list[str]) -> list[str]:
    """The first problems; of the others how many there are."""
    more = len(problems) - _SHOWN
    return [*problems[:_SHOWN], f"{more} more"] if more > 0 else problems
