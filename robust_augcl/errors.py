"""Errors, by what a user can do about them.

`InputError` is the user's to fix (the command line turns it into one line and exit code 2). The
violations are raised by the guard when an attack, or a stored result, breaks a rule of the
benchmark.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RobustAugclError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(RobustAugclError):
    """Bad input: a suite, an option, a file. The message names the field, the value and what was
    expected.
    """


class ThreatViolation(RobustAugclError):
    """A perturbation holds an edit that the threat model does not allow."""


class AccessViolation(RobustAugclError):
    """An attack asked the victim for more than its declared access."""


class GuardViolation(RobustAugclError):
    """An attack broke a rule of the guard other than the threat model, e.g. it changed its input
    graphs.
    """


class TrainingDiverged(RobustAugclError):
    """Training never reached a finite loss."""


class ArtifactDamaged(RobustAugclError):
    """A stored file is not what was written: truncated, altered, or of another format."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ', did you mean ...?' for the known name closest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""


def unknown(kind: str, name: object, known: Iterable[str]) -> InputError:
    """Return the error for a name that is none of the known ones, with the nearest of them."""
    names = sorted(known)
    hint = nearest(str(name), names)
    return InputError(f"Unknown {kind} {str(name)!r}{hint or ''} (known: {', '.join(names)})")
