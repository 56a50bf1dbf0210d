"""Makes the page of this folder from the files of results beside it.

    python docs/results/make_page.py             # README.md and the figures
    python docs/results/make_page.py --check     # exit code 1 where README.md is not what it makes

The files come from `robust-augcl baseline DIR --seeds N -o docs/results/SUITE-N.json`.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from robust_augcl.reports.published import PAGE, page, published
from robust_augcl.results.baseline import Baseline

HERE = Path(__file__).parent


def files(folder: Path = HERE) -> dict[str, bytes]:
    """The page and its figures, by file name, from the files of results in a folder."""
    held = {path.name: Baseline.load(path) for path in sorted(folder.glob("*.json"))}
    foreseen = tomllib.loads((folder / "foreseen.toml").read_text())
    return page(published(held, foreseen))


def main(arguments: list[str]) -> int:
    """Write the files, or compare the page; return the exit code."""
    made = files()
    if arguments == ["--check"]:
        same = (HERE / PAGE).read_bytes() == made[PAGE]
        print(f"{PAGE} is {'' if same else 'NOT '}what the files of results give")
        return 0 if same else 1
    for name, content in made.items():
        (HERE / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
