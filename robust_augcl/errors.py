"""Errors, by what a user can do about them.

`InputError` is the user's to fix (the command line turns it into one line and exit code 2). The
violations are raised by the guard when an attack, or a stored result, breaks a rule of the
benchmark.
"""

from __future__ import annotations

import builtins
import difflib
import reprlib
from collections.abc import Iterable

MOST_IN_LINE = 320
"""Characters of a line that is shown to a user, at the most."""

MOST_IN_VALUE = 80
"""Characters of a value in such a line, at the most."""

_MOST_NAMES = 15  # of known ones
_MOST_COMPARED = 100  # characters of names that are compared: of long ones it takes forever


class RobustAugclError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(RobustAugclError):
    """Bad input: a suite, an option, a file. The message names the field, the value and what was
    expected.
    """


class CodeMissing(InputError):
    """What asks for the code of a plug-in cannot go on without it; what is stored can be shown."""


class PackageMissing(CodeMissing):
    """The package that a plug-in comes from is not installed here."""


class ConsentMissing(CodeMissing):
    """Other people's code would have to be imported, and the user has not named it."""


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


class StepFailed(RobustAugclError):
    """A step cannot be computed from the results that it needs."""


class ArtifactDamaged(RobustAugclError):
    """A stored file is not what was written: truncated, altered, or of another format."""


# --- words ----------------------------------------------------------------------------------------


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ', did you mean ...?' for the known name closest to `name`, or an empty string."""
    if len(name) > _MOST_COMPARED:
        return ""
    short = [each for each in known if len(each) <= _MOST_COMPARED]
    close = difflib.get_close_matches(name, short, n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""


def unknown(kind: str, name: object, known: Iterable[str]) -> InputError:
    """Return the error for a name that is none of the known ones, with the nearest of them."""
    names = sorted(known)
    hint = nearest(str(name), names)
    listed = ", ".join(cut(each) for each in names[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return InputError(f"Unknown {kind} {shown(str(name))}{hint} (known: {listed or 'none'}{more})")


class _Shown(reprlib.Repr):
    """Python's way to write a value, but never more of it than can be shown."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = 12
        self.maxstring = self.maxother = MOST_IN_VALUE

    def repr_int(self, x: int, level: int) -> str:
        bits = x.bit_length()
        # Python refuses to write the longest ones.
        return f"a number of {bits} bits" if bits > 4 * MOST_IN_VALUE else builtins.repr(x)


_repr = _Shown()


def shown(value: object) -> str:
    """A value as a message echoes it: as Python writes it, cut where it is long.

    Example:
        >>> shown([1, "two"])
        "[1, 'two']"
        >>> len(shown("x" * 100_000)), shown(10**6000)
        (80, 'a number of 19932 bits')
    """
    return cut(_repr.repr(value))


def cut(text: str, most: int = MOST_IN_VALUE) -> str:
    """A text without its middle, where it is long.

    Example:
        >>> cut("from the beginning to the end", 18)
        'from the...the end'
    """
    if len(text) <= most:
        return text
    after = (most - 3) // 2
    return f"{text[: most - 3 - after]}...{text[len(text) - after :]}"


def one_line(message: object) -> str:
    """A message as one line that a terminal can show, cut where it is long.

    It may be an error of somebody else's code, which cannot even say what it is.

    Example:
        >>> one_line("two\\nlines, and \\x1b[31m")
        'two lines, and \\\\x1b[31m'
    """
    try:
        text = str(message)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        text = type(message).__name__
    text = " ".join(cut(text, 10 * MOST_IN_LINE).split())  # a long one is not looked at in full
    return cut("".join(map(_printable, text)), MOST_IN_LINE)


def message_of(error: BaseException) -> str:
    """An error in one line: its type and its text, whatever it is and whoever raised it.

    Example:
        >>> message_of(ValueError("two\\nlines")), message_of(KeyboardInterrupt())
        ('ValueError: two lines', 'KeyboardInterrupt')
    """
    name = one_line(type.__getattribute__(type(error), "__name__"))
    try:
        text = one_line(error)
    except KeyboardInterrupt:  # it is what its words raise
        text = ""
    return f"{name}: {text}" if text else name


def printable(text: str) -> str:
    """A text in which what cannot be printed or encoded is written out."""
    return "".join(map(_printable, text))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
