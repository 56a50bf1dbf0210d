"""What is wrong with a suite, in the words of whoever never wrote one: of Python, or of options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robust_augcl.errors import InputError
from robust_augcl.plan.suite import make_suite
from robust_augcl.plan.suite_settings import Suite

ARGUMENTS = {
    "[threat]: Expected `budget": "Expected `budgets",
    "[threat]": "`threat`",
    "[[attacks]]": "`attacks`",
    "[dataset]: Expected `name`": "Expected `data_name`",
    "[dataset]": "`graphs`",
    "[split]": "`fit`",
    "[[victims]]": "`models`",
    "[certificates]": "`certificates`",
}
"""Part of a message about a suite -> the same of the arguments of `evaluate`."""
OPTIONS = {
    "[threat]: Expected `budget": "Expected `--budget",
    "[threat]": "--budget, --operation and --within-component",
    "[[attacks]]": "--attack",
    "[dataset]": "--data",
    "[split]": "--fit",
    "[[victims]]": "--model and --weights",
    "[certificates]": "--certificates",
    "Expected `seeds": "Expected `--seeds",
    "Expected `name`": "Expected `--name`",
}
"""The same of the options of `robust-augcl evaluate`."""


def suite_of(table: Mapping[str, Any], source: str, words: Mapping[str, str]) -> Suite:
    """The suite of a table that nobody wrote.

    Args:
        table: as `make_suite` takes it.
        source: what the user called; it names the suite in errors.
        words: part of a message -> what stands there instead (`ARGUMENTS`, `OPTIONS`).

    Raises:
        InputError: as `make_suite` says, in words that the user knows.
    """
    try:
        return make_suite(table, source)
    except InputError as error:
        raise type(error)(in_words_of(words, str(error))) from error


def in_words_of(words: Mapping[str, str], text: str) -> str:
    """A message about a suite in the words of arguments or options.

    >>> in_words_of(OPTIONS, "evaluate: [threat]: Expected `budget` to be positive, got 0")
    'evaluate: Expected `--budget` to be positive, got 0'
    """
    for theirs, own in words.items():
        text = text.replace(theirs, own)
    return text
