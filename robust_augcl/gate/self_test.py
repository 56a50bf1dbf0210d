"""Planted changes that the gate must tell, on small made-up results.

A gate that was never seen to block is decoration. Results are made from a seed, written, read back
and compared by the code that compares any others.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from robust_augcl import __version__
from robust_augcl.gate.decision import decide
from robust_augcl.gate.questions import Gate, Outcome
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_parts import Attacked, Data, Found, Machine, Victim, Worst
from robust_augcl.results.target_bits import gaps, packed
from robust_augcl.results.traits import MethodTraits, Traits

T = TypeVar("T")
TARGETS = 200
_CLEAN, _ROBUST = 0.9, 0.6
_THREAT = {
    "type": "ThreatModel",
    "budget": 1,
    "operations": ["add"],
    "within_component": False,
    "allow_existing": False,
}
_METHOD = MethodTraits("A method", "method", True, True, [])
_MACHINE = Machine({"python": "3"}, None, "made up", "cpu", "made up", "portable", 1)
_CHECK = "nothing below the exact worst case"


@dataclass(frozen=True)
class Trial:
    """A change, and what the gate should say of it.

    Args:
        name: the change, in words.
        base, new: the results.
        expected: what should be said.
    """

    name: str
    base: Baseline
    new: Baseline
    expected: Outcome

    def gate(self) -> Gate:
        """What is said, after both sides were written and read back."""
        base, new = (Baseline.loads(held.dumps(), self.name) for held in (self.base, self.new))
        return decide(base, new)


@dataclass(frozen=True)
class Truth:
    """True shares of targets of a made-up method; each seed's own varies around them.

    Args:
        clean, robust: right before any attack, and in the worst case.
        spread: the standard deviation of a seed's own robust share.
    """

    clean: float = _CLEAN
    robust: float = _ROBUST
    spread: float = 0.01


@dataclass(frozen=True)
class Chance:
    """What happens by chance: two numbers, of the models and of the attack that is weaker."""

    models: int = 0
    attack: int = 0


def made_up(
    seeds: Sequence[int],
    truth: Truth,
    training: str = "",
    targets: int = TARGETS,
    chance: Chance | None = None,
) -> Baseline:
    """Results of one method under an exact attack and a weaker one, one edit, from nothing.

    Args:
        seeds: of the suite, one victim each.
        truth: what the method is like.
        training: another text is another training: other weights.
        targets: of each seed.
        chance: what it is drawn from; None for the default.

    Example:
        >>> made = made_up(range(3), Truth())
        >>> len(made.victims), len(made.attacked)
        (3, 6)
    """
    chance = chance or Chance()
    labels, graphs = [number % 2 for number in range(targets)], gaps(range(targets))
    data, victims, attacked, worst = [], [], [], []
    for place, seed in enumerate(seeds):
        clean, stands, missed = _targets(truth, targets, f"{training} {seed}", chance)
        data.append(_data(seed, labels, graphs))
        weights = _digest("weights", training, seed, chance.models)
        victims.append(_victim(place, weights, clean))
        worst.append(Worst(place, 1, 0, packed(stands), packed(stands), True, 0.1))
        for attack, right, exact in (("weaker", missed, False), ("exhaustive", stands, True)):
            key = f"attack-{_digest(attack, weights, chance.attack)[:20]}"
            bits = packed(right), packed([exact] * targets)
            attacked.append(_attacked(place, attack, key, bits, exact))
    return Baseline(
        suite="made-up",
        table=None,
        fingerprint=None,
        package=__version__,
        source=_digest("source"),
        planned_seeds=sorted(seeds),
        planned_comparisons=None,
        primary=[],
        margin=None,
        revisions={},
        machines=[_MACHINE],
        threats=[_THREAT],
        data=data,
        victims=victims,
        attacked=attacked,
        worst=worst,
        embedded=[],
        missing=0,
        seconds={},
        audit=[Found(_CHECK, "PASS", "made up", [])],
    )


def _attacked(victim: int, attack: str, key: str, bits: tuple[str, str], exact: bool) -> Attacked:
    """A record: `bits` say which targets are right after it, and which are proved."""
    return Attacked(
        victim,
        attack,
        Traits("query", False, False, [], exact, None, attack.capitalize()),
        settings={},
        budget=1,
        key=key,
        threat=0,
        attacked=bits[0],
        exact=bits[1],
        queries=10,
        gradient_calls=0,
        fit_seconds=0.0,
        attack_seconds=1.0,
        peak_memory_mib=100,
        machine=0,
    )


def _data(seed: int, labels: list[int], graphs: list[int]) -> Data:
    """The data of a seed, which draws graphs of its own."""
    digest, count = _digest("data", seed), len(labels)
    about = "made up", seed, f"dataset-{digest[:20]}", digest, graphs, None, labels, 2
    return Data(*about, label_rule="none", draws_graphs=True, tested=count, training=4 * count)


def _victim(data: int, weights: str, clean: list[bool]) -> Victim:
    """A victim at rest."""
    return Victim(
        data,
        "method",
        _METHOD,
        settings={},
        encoder="gin",
        layers=2,
        protocol="strict",
        key=f"victim-{weights[:20]}",
        weights=weights,
        clean=packed(clean),
        epoch=80,
        epochs=100,
        pretrain_seconds=1.0,
        train_seconds=1.0,
        notes=[],
    )


def _targets(
    truth: Truth, count: int, about: str, chance: Chance
) -> tuple[list[bool], list[bool], list[bool]]:
    """Of each target: whether it is right before, in the worst case, and under the weaker attack.

    That one misses a fifth of what can be broken.
    """
    draws = random.Random(f"{about} {chance.models}")
    robust = min(max(draws.gauss(truth.robust, truth.spread), 0.0), truth.clean)
    clean = [draws.random() < truth.clean for _ in range(count)]
    stands = [right and draws.random() < robust / truth.clean for right in clean]
    luck = random.Random(f"{about} {chance.models} {chance.attack}")
    missed = [luck.random() < 0.2 for _ in range(count)]
    every = zip(clean, stands, missed, strict=True)
    return clean, stands, [right and (stand or miss) for right, stand, miss in every]


def trials() -> list[Trial]:
    """Every planted change, and two that are none."""
    seeds, truth = range(8), Truth()
    base = made_up(seeds, truth)
    weak = replace(truth, robust=truth.robust - 0.12)
    return [
        Trial("nothing changed", base, base, "holds"),
        Trial(
            "trained again, no worse",
            base,
            made_up(seeds, replace(truth, robust=0.66), "again"),
            "holds",
        ),
        Trial("a weakened model, same seeds", base, made_up(seeds, weak, "again"), "regressed"),
        Trial(
            "a weakened model, other seeds",
            base,
            made_up(range(20, 28), weak, "again"),
            "regressed",
        ),
        Trial("a broken attack", base, broken_attack(base), "regressed"),
        Trial("an attack a little weaker everywhere", base, dulled_attack(base), "regressed"),
        Trial("a flipped certificate", base, flipped_certificate(base), "regressed"),
        Trial("a lost certificate", base, lost_certificate(base), "regressed"),
        Trial("a newly failed audit", base, failed_audit(base), "regressed"),
        Trial(
            "an audit that fails for more of the same seeds",
            failed_audit(base),
            failed_audit(base, seeds=3),
            "regressed",
        ),
        Trial(
            "an audit that fails for as large a share of more seeds",
            failed_audit(made_up(range(4), truth)),
            failed_audit(base, seeds=2),
            "holds",
        ),
        Trial(
            "a prediction that rounding may have turned",
            on_another_machine(base),
            rounded(base),
            "cannot tell",
        ),
        Trial("a prediction that only a fault can turn", base, rounded(base), "regressed"),
        Trial("another threat", base, another_threat(base), "not comparable"),
        Trial("a record that is gone", base, without_record(base), "not comparable"),
        Trial("seeds that are gone", base, made_up(seeds[:2], truth), "not comparable"),
        Trial(
            "two seeds, which cannot tell",
            made_up(range(2), replace(truth, spread=0.05)),
            made_up(range(2), replace(truth, spread=0.05), "again"),
            "cannot tell",
        ),
    ]


# --- plants ---------------------------------------------------------------------------------------


def broken_attack(held: Baseline) -> Baseline:
    """The weaker attack of the first seed finds nothing any more."""
    (place, record) = next((p, r) for p, r in enumerate(held.attacked) if r.attack == "weaker")
    changed = replace(record, attacked=held.victims[record.victim].clean)
    return replace(held, attacked=_with(held.attacked, place, changed))


def dulled_attack(held: Baseline) -> Baseline:
    """The weaker attack breaks three targets fewer of each victim: alone that is chance."""
    attacked = []
    for record in held.attacked:
        right = list(held.bits(record.victim, record.attacked))
        clean = held.bits(record.victim, held.victims[record.victim].clean)
        work = [place for place, was_right in enumerate(clean) if was_right and not right[place]]
        for place in work[:3] if record.attack == "weaker" else ():
            right[place] = True
        attacked.append(replace(record, attacked=packed(right)))
    return replace(held, attacked=attacked)


def flipped_certificate(held: Baseline) -> Baseline:
    """One target that was broken is said to be proved."""
    worst = held.worst[0]
    stands = held.bits(worst.victim, worst.stands)
    proved = list(held.bits(worst.victim, worst.proved))
    proved[stands.index(False)] = True
    return replace(held, worst=_with(held.worst, 0, replace(worst, proved=packed(proved))))


def lost_certificate(held: Baseline) -> Baseline:
    """One target that was proved is open."""
    worst = held.worst[0]
    proved = list(held.bits(worst.victim, worst.proved))
    proved[proved.index(True)] = False
    return replace(held, worst=_with(held.worst, 0, replace(worst, proved=packed(proved))))


def failed_audit(held: Baseline, seeds: int = 1) -> Baseline:
    """A check of the audit fails of the weaker attack, for so many seeds."""
    weaker = [place for place, record in enumerate(held.attacked) if record.attack == "weaker"]
    return replace(held, audit=[Found(_CHECK, "FAIL", "made up", weaker[:seeds])])


def on_another_machine(held: Baseline) -> Baseline:
    """Computed on another processor in fast arithmetic, which may round otherwise."""
    return replace(held, machines=[replace(_MACHINE, processor="another", arithmetic="fast")])


def rounded(held: Baseline) -> Baseline:
    """One clean prediction of the first seed is wrong that was right: of a target that breaks."""
    victim, *others = held.victims
    clean = list(held.bits(0, victim.clean))
    stands = held.bits(0, held.worst[0].stands)
    turned = zip(clean, stands, strict=True)
    clean[list(turned).index((True, False))] = False
    return replace(held, victims=[replace(victim, clean=packed(clean)), *others])


def another_threat(held: Baseline) -> Baseline:
    """Edges may be deleted, too."""
    return replace(held, threats=[{**_THREAT, "operations": ["add", "delete"]}])


def without_record(held: Baseline) -> Baseline:
    """The last record is gone."""
    return replace(held, attacked=held.attacked[:-1])


def _with(entries: list[T], place: int, entry: T) -> list[T]:
    return [*entries[:place], entry, *entries[place + 1 :]]


def _digest(*about: object) -> str:
    return hashlib.sha256(repr(about).encode()).hexdigest()
