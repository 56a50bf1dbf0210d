"""What the command line says when a command cannot be understood, in our words, not click's."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robust_augcl.errors import InputError, one_line, shown, unknown

if TYPE_CHECKING:
    from robust_augcl.results.findings import Audit

_MOST_DIGITS = 18  # what fits 64 bits
_MOST_NAME, _MOST_PATH = 255, 4_000  # bytes; below the systems' own limits, for files in a folder
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


def say(message: object) -> None:
    """Say one line on the error stream."""
    click.echo(one_line(message), err=True)


def columns() -> int:
    """The columns of the terminal, or what COLUMNS says; 100 where there is no terminal."""
    return shutil.get_terminal_size((100, 24)).columns


def fail_if_failed(audit: Audit) -> None:
    """Raise where a check of an audit fails.

    Raises:
        ClickException: one does; it says how many, and how many records are marked.
    """
    failed, marked = audit.counts["FAIL"], len(audit.failed)
    if failed:
        raise click.ClickException(
            f"{failed} of {len(audit.findings)} checks fail, {marked} "
            f"record{' is' if marked == 1 else 's are'} marked"
        )


def whole(text: str) -> int | None:
    """The whole number that a text is, written in the digits 0 to 9 alone; None where it is none.

    Example:
        >>> whole("07"), whole("+7"), whole("1_0"), whole("٣")
        (7, None, None, None)
    """
    is_one = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if is_one else None


class Whole(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has none
    """A whole number.

    Args:
        least: the smallest that may be given.
    """

    name = "number"

    def __init__(self, least: int = 1) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = value if isinstance(value, int) else whole(value)
        if found is None or found < self._least:
            raise InputError(
                f"Expected {_name(param)} to be a whole number of at least {self._least}, got "
                f"{shown(value)}"
            )
        return found


class Seconds(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has none
    """A number of seconds, written like 0.1 or 60."""

    name = "seconds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        if not _SECONDS.fullmatch(value):
            raise InputError(
                f"Expected {_name(param)} to be seconds like 0.1 or 60, got {shown(value)}"
            )
        return float(value)


class Word(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has none
    """One of some words."""

    name = "word"

    def __init__(self, *words: str) -> None:
        self._words = words

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return f"[{'|'.join(self._words)}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self._words:
            *most, last = (repr(word) for word in self._words)
            raise InputError(
                f"Expected {_name(param)} to be {', '.join(most)} or {last}, got {shown(value)}"
            )
        return str(value)


class Folder(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has none
    """The path of a folder, which need not exist, but could.

    Args:
        kind: what it is of instead, in words.
    """

    name = "path"

    def __init__(self, kind: str = "a folder") -> None:
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        _check_text(str(value))
        if not str(value):
            raise InputError(f"Expected {_name(param)} to be {self._kind}, got ''")
        longest = max((len(part.encode()) for part in path.parts), default=0)
        if longest > _MOST_NAME or len(str(path.absolute()).encode()) > _MOST_PATH:
            raise InputError(
                f"Expected {_name(param)} to be a path of at most {_MOST_PATH:,} bytes, "
                f"{_MOST_NAME} in each name, got {shown(str(value))}"
            )
        return path


def _name(param: click.Parameter | None) -> str:
    """What the user calls a parameter: --out, or DIR."""
    if isinstance(param, click.Option):
        return str(param.opts[0])
    return str(getattr(param, "metavar", None) or getattr(param, "name", None) or "a value").upper()


class Commands(click.Group):
    """The commands; an unknown one is said in our words."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise unknown("command", args[0], self.commands)
        return super().resolve_command(ctx, args)


def check_arguments(arguments: Sequence[str]) -> None:
    """Refuse arguments that are no text.

    Raises:
        InputError: one holds NUL, or bytes that are not UTF-8.
    """
    for argument in arguments:
        _check_text(argument)


def _check_text(text: str) -> None:
    if _NO_TEXT.search(text):
        raise InputError(f"Expected arguments to be text in UTF-8, got {shown(text)}")


def complaint(error: click.ClickException) -> str:
    """What is wrong, in our words where click has others."""
    if isinstance(error, click.NoSuchOption):
        known: list[str] = []
        if error.ctx is not None:
            for param in error.ctx.command.get_params(error.ctx):
                known += [name for name in param.opts if name.startswith("--")]
        return str(unknown("option", error.option_name, known))
    if isinstance(error, click.MissingParameter):
        return f"Expected {_name(error.param)}, got nothing"
    return error.format_message()
