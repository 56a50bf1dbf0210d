"""What the shell that starts the tests says, and what then would change what commands print."""

from __future__ import annotations

from collections.abc import MutableMapping

SAYS = (
    # Of a terminal: its width, and whether there are colours.
    *("COLUMNS", "LINES", "JUPYTER_COLUMNS", "JUPYTER_LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE"),
    *("NO_COLOR", "FORCE_COLOR", "PY_COLORS", "CLICOLOR", "CLICOLOR_FORCE"),
    # Of Python and pytest in processes that tests start.
    *("PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONDEVMODE", "PYTHONIOENCODING"),
    "PYTEST_ADDOPTS",
    # Of the style and the dates of figures.
    *("MATPLOTLIBRC", "MPLBACKEND", "SOURCE_DATE_EPOCH"),
    # Of another checkout, as a hook of git says them.
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"),
)
"""Variables of the environment."""


def forget(environment: MutableMapping[str, str]) -> None:
    """Take away what is said, from a process and so from all that it starts."""
    for name in SAYS:
        environment.pop(name, None)
