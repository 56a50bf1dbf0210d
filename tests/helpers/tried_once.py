"""The audit's trials of attacks, and figures, each once for the same content in a call of pytest.

Tests make hundreds of audits of a few runs. What an audit tries depends on the attack, the victim
and the data alone. So the second audit of the same takes the facts of the first. Where a test has
replaced code that trials run, everything is tried as ever, and nothing of it is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from shared import Kept

from robust_augcl.adversary.attack_base import Attack
from robust_augcl.adversary.patched import Standing
from robust_augcl.plan.step import Step
from robust_augcl.reports import _figures, markdown
from robust_augcl.reports._figures import Elsewhere, Gallery, figures
from robust_augcl.reports.written import ENDINGS
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.review.audit import facts_of_attacks
from robust_augcl.review.audit.files import Files

_OTHER_ROOMS = ("store", "reports", "cli", "campaign", "workers", "results", "testing")
"""Packages of which no code runs in a trial."""


class _Shared(Gallery):
    """Figures that other processes may have drawn."""

    def __init__(self, drawn: Kept) -> None:
        super().__init__()
        self._drawn = drawn  # type: ignore[assignment]


@contextmanager
def drawn_once(shared: Path, sketched: bool = False) -> Iterator[None]:
    """Let a figure of the same content be drawn once, not once a command.

    Args:
        shared: the folder that all processes of this call of pytest know.
        sketched: whether figures that nobody has drawn yet are left undrawn: files that tell the
            content stand for them. Most tests of whole runs compare the bytes and look at none.
    """
    gallery = (_Sketches if sketched else _Shared)(_kept(shared / "drawn"))
    with pytest.MonkeyPatch.context() as patch:
        for module in (_figures, markdown):
            patch.setattr(module, "Gallery", lambda: gallery)
        yield


class _Sketches(_Shared):
    """Instead of drawing a figure that nobody has drawn yet, tell its content."""

    def draw(self, report: ReportInput, but: Collection[str] = ()) -> dict[str, bytes]:
        files: dict[str, bytes] = {}
        for name, drawing in figures(report).items():
            if name in but:
                continue
            known = name, drawing.content
            files |= self._drawn[known] if known in self._drawn else _sketch(*known)
        return files

    def take(self, report: ReportInput, elsewhere: Elsewhere) -> None:
        """Nothing is gained: what is told of a figure costs nothing."""


def _sketch(name: str, content: Sequence[str]) -> dict[str, bytes]:
    digest = hashlib.sha256(repr(content).encode()).hexdigest()
    return {f"{name}.{ending}": f"{name} of {digest}".encode() for ending in ENDINGS}


@cache
def _kept(folder: Path) -> Kept:
    return Kept(folder)


@contextmanager
def tried_once(shared: Path) -> Iterator[None]:
    """Let the trials of audits be made once for the same content, while code is as it is now.

    Args:
        shared: the folder that all processes of this call of pytest know.
    """
    known = _kept(shared / "tried")
    names = ("try_planted", "try_large", "try_halved", "try_learned")
    planted, large, halved, learned = (getattr(facts_of_attacks, name) for name in names)

    def once(of: tuple[object, ...], attack: Attack, make: Callable[[], Any]) -> Any:
        """What was found of the same; other people's code is tried again each time."""
        if not _is_ours(attack) or not before.is_so():
            return make()
        if of not in known:
            known[of] = make()
        return known[of]

    def try_planted(step: Step) -> Any:
        return once(("planted", step.key), step.settings["attack"], lambda: planted(step))

    def try_large(files: Files, attack: Attack, record: Record, budget: int) -> Any:
        of = ("large", budget, *_about(record))
        return once(of, attack, lambda: large(files, attack, record, budget))

    def try_halved(files: Files, attack: Attack, record: Record) -> Any:
        of = ("halved", record.dumps(), *_about(record))
        return once(of, attack, lambda: halved(files, attack, record))

    def try_learned(files: Files, step: Step, record: Record) -> Any:
        of = ("learned", step.key, *_about(record))
        return once(of, step.settings["attack"], lambda: learned(files, step, record))

    with pytest.MonkeyPatch.context() as patch:
        ours: Sequence[Callable[..., Any]] = (try_planted, try_large, try_halved, try_learned)
        for function in ours:
            patch.setattr(facts_of_attacks, function.__name__, function)
        before = _standing_of_trials()
        yield


def _standing_of_trials() -> Standing:
    """What stands where now, as far as trials run it."""
    return Standing.now(lambda name: name.split(".")[1:2] not in [[room] for room in _OTHER_ROOMS])


def _is_ours(attack: Attack) -> bool:
    return type(attack).__module__.partition(".")[0] == "robust_augcl"


def _about(record: Record) -> tuple[object, ...]:
    """What a trial of a record's attack on its victim depends on."""
    rests_on = (ref.digest if ref else "" for ref in (record.dataset, record.victim))
    learned = record.attacker.digest if record.attacker else ""
    return record.key, *rests_on, learned
