"""What is compared whatever the weights are: what the audit says, and what a step takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import median
from typing import Final

from robust_augcl.gate.matching import Model
from robust_augcl.gate.questions import Answer, counted
from robust_augcl.results.baseline import Baseline, victim_cell
from robust_augcl.results.baseline_parts import Attacked, Found
from robust_augcl.results.names import budget_text
from robust_augcl.revisions import changes

_REGIME: Final = "beside"
_LEAST_SECONDS = 0.05
"""Steps that take less are not compared: their times are noise."""


# --- the audit ------------------------------------------------------------------------------------


def audits(base: Baseline, new: Baseline) -> list[Answer]:
    """What the audits say: a check that fails of something, or of a larger share of the seeds."""
    if new.audit is None:
        if base.audit is None:
            return []
        why = "the new results are not audited: `robust-augcl audit` does it"
        return [Answer("audit", _REGIME, "cannot tell", why)]
    if base.audit is None:
        before: dict[str, Counter[str]] = {}
    else:
        before = {found.check: _speaks_against(base, found) for found in _failed(base)}
    seeds = [Counter(_about(held, record) for record in held.attacked) for held in (base, new)]
    answers, still = [], set()
    for found in _failed(new):
        still.add(found.check)
        against = _speaks_against(new, found)
        known = before.get(found.check, Counter())
        fresh = [
            _grown(about, known[about], seeds[0][about], against[about], seeds[1][about])
            for about in sorted(against)
            if against[about] > _as_before(known[about], seeds[0][about], seeds[1][about])
        ]
        if found.check in before and not fresh:
            continue
        names = "; ".join(fresh[:3]) + (f" and {len(fresh) - 3} more" if len(fresh) > 3 else "")
        why = f"fails now{f' for {names}' if names else ''}. {found.evidence}"
        answers.append(Answer(f"audit: {found.check}", _REGIME, "regressed", why))
    for check in sorted(set(before) - still):
        answers.append(
            Answer(f"audit: {check}", _REGIME, "holds", "failed, and no longer does", improved=True)
        )
    if not answers:
        as_before = sum(len(against) > 0 for against in before.values())
        rest = f", as before {counted(as_before, 'check')} of the same results" if as_before else ""
        answers.append(Answer("audit", _REGIME, "holds", f"no check fails that did not{rest}"))
    return answers


def _failed(held: Baseline) -> Iterator[Found]:
    yield from (found for found in held.audit or () if found.status == "FAIL")


def _speaks_against(held: Baseline, found: Found) -> Counter[str]:
    """What a finding speaks against, in words, and for how many seeds.

    Which seeds is left out: another run has others.
    """
    return Counter(_about(held, held.attacked[place]) for place in set(found.records))


def _as_before(failed: int, held: int, now: int) -> int:
    """Of how many seeds a check may fail, where it failed of so many of those that were held.

    Another number of seeds may have as large a share, rounded up: a check that fails by chance,
    fails more often of more seeds.

    >>> _as_before(1, 3, 3), _as_before(1, 3, 10), _as_before(2, 4, 1), _as_before(0, 3, 10)
    (1, 4, 1, 0)
    """
    return -(-failed * now // held) if held else 0


def _grown(about: str, before: int, held: int, failed: int, now: int) -> str:
    """What a check speaks against now, or for a larger share of the seeds than before."""
    if not before:
        return about
    return f"{about} (for {failed} of {counted(now, 'seed')}, before for {before} of {held})"


def _about(held: Baseline, record: Attacked) -> str:
    *about, _ = victim_cell(held, record.victim)
    model = Model(*about).called(held.victims[record.victim].name)  # type: ignore[arg-type]
    return f"{record.name} on {model}, {budget_text(record.budget)}"


# --- what it took, and what was changed -----------------------------------------------------------


def notes(base: Baseline, new: Baseline) -> Iterator[str]:
    """What else there is to know, in sentences; what matters most comes first."""
    if base.audit is None and new.audit is None:
        yield (
            "neither side is audited, so nobody has looked for broken attacks: "
            "`robust-augcl audit` does it"
        )
    if base.suite != new.suite:
        yield f"the suites have other names: {base.suite}, now {new.suite}"
    if revised := changes(base.revisions, new.revisions):
        yield f"revised since: {', '.join(revised)}"
    if base.package != new.package:
        yield f"robust_augcl {base.package}, now {new.package}"
    yield from _costs(base, new)


def _costs(base: Baseline, new: Baseline) -> Iterator[str]:
    """Ratios of time and memory, where both sides were computed on the same processor."""
    before, now = _steps(base), _steps(new)
    ratios = [
        f"{step[0]} {median(now[step]) / median(before[step]):.2f}"
        for step in before
        if step in now and median(before[step]) >= _LEAST_SECONDS
    ]
    if ratios:
        yield f"time, new over baseline (medians, same processor): {', '.join(ratios)}"
    peaks = _peaks(base), _peaks(new)
    both = [step for step in peaks[0] if step in peaks[1] and peaks[0][step] > 0]
    if both:
        most = [max(own[step] for step in both) for own in peaks]
        yield f"peak memory of attacks, new over baseline (same processor): {most[1] / most[0]:.2f}"
    if not ratios and not both:
        yield "time and memory are not compared: nothing ran on the same processor"


_Machine = tuple[str, str, str, int]
_Step = tuple[str, _Machine]


def _machine(held: Baseline, record: Attacked) -> _Machine:
    """What times depend on most."""
    machine = held.machines[record.machine]
    return machine.processor, machine.device, machine.arithmetic, machine.threads


def _steps(held: Baseline) -> dict[_Step, list[float]]:
    """Seconds of each sort of step and machine; a victim counts where its first attack ran."""
    found: dict[_Step, list[float]] = {}
    victims: set[int] = set()
    for record in held.attacked:
        at = _machine(held, record)
        if record.victim not in victims:
            victims.add(record.victim)
            victim = held.victims[record.victim]
            found.setdefault(("pretraining", at), []).append(victim.pretrain_seconds)
            found.setdefault(("training", at), []).append(victim.train_seconds)
        seconds = record.fit_seconds + record.attack_seconds
        name = f"{record.name} ({budget_text(record.budget)})"
        found.setdefault((name, at), []).append(seconds)
    return found


def _peaks(held: Baseline) -> dict[_Step, int]:
    """The most memory of each attack and machine, in MiB."""
    found: dict[_Step, int] = {}
    for record in held.attacked:
        step = f"{record.attack} {record.budget!r}", _machine(held, record)
        found[step] = max(found.get(step, 0), record.peak_memory_mib)
    return found
