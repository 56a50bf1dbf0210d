"""Record the code of our own plug-ins, when it has a new revision or computes the same as before.

python tests/plug_ins/record_sources.py
python tests/plug_ins/record_sources.py --same attack.beam "only names changed"
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from plug_in_sources import Refused, in_tree, recorded, store, stored


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--same",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAMES", "REASON"),
        help="plug-ins (like attack.beam, with commas between) whose code changed and computes the "
        "same, and why it does",
    )
    reasons = {
        name: reason for names, reason in parser.parse_args().same for name in names.split(",")
    }
    then = stored()
    try:
        now = recorded(in_tree(), then, reasons)
    except Refused as error:
        sys.exit(f"Nothing was recorded: {error}")
    store(now)
    changed = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    print(f"Recorded: {', '.join(changed) or 'nothing had changed'}")


if __name__ == "__main__":
    main()
