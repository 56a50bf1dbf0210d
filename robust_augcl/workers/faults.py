"""How a step failed: the trace of its error."""

from __future__ import annotations

import traceback

from robust_augcl.errors import cut, message_of, printable

_LONGEST_TRACE = 20_000


def trace_of(error: BaseException) -> str:
    """The error's trace, for the log."""
    try:
        lines = "".join(traceback.format_exception(error))
    except BaseException as another:
        return f"the trace cannot be had: {message_of(another)}\n"
    return "".join(f"{printable(line)}\n" for line in cut(lines, _LONGEST_TRACE).splitlines())
