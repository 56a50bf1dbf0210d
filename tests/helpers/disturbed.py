"""What runs have left, for comparisons with runs that nobody disturbed."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path


def outcomes(folder: Path) -> dict[str, list[str]]:
    """The outcomes of each record, as text."""
    return {
        path.name: path.read_text().splitlines()[1:]
        for path in sorted(folder.glob("records/*.jsonl"))
    }


def done(folder: Path) -> Counter[str]:
    """How often each step was computed and stored, by the log."""
    return Counter(re.findall(r"\d done .* \[(\S+)\] ", (folder / "run.log").read_text()))
