"""Where the files of node graphs lie: in a folder of archives, or downloaded once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from torch_geometric.data import download_url

from robust_augcl.errors import InputError, nearest


def found_files(
    archives: Path | None, folder: str, names: Sequence[str], url: str, label: str
) -> list[Path]:
    """Return files of a folder of archives, and nowhere else where one is given.

    Otherwise they are downloaded once, to the user's cache folder.

    Args:
        archives: the folder of archives.
        folder: its folder with these files.
        names: of the files.
        url: where they are downloaded from, without their names.
        label: what errors call the data set.

    Raises:
        InputError: a file that is not there, or cannot be downloaded.
    """
    if archives is None:
        return [_downloaded(folder, name, url, label) for name in names]
    paths = [archives / folder / name for name in names]
    for path in paths:
        if not path.is_file():
            known = sorted(each.name for each in path.parent.glob("*"))
            raise InputError(
                f"Expected a file {path} of {label}, there is none{nearest(path.name, known)}"
            )
    return paths


def _downloaded(folder: str, name: str, url: str, label: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = cache / "robust_augcl" / folder
    path = cache / name
    if path.is_file():
        return path
    part = f".{name}.{os.getpid()}.part"
    try:
        download_url(f"{url}/{name}", str(cache), log=False, filename=part)
        (cache / part).replace(path)  # whole or not at all
    except Exception as error:  # the download goes through several libraries
        raise InputError(
            f"Cannot download {label} ({(str(error) or type(error).__name__).splitlines()[0]}); "
            "give a folder of archives by --archives (in Python: `archives=`) or "
            "ROBUST_AUGCL_ARCHIVES"
        ) from error
    finally:
        (cache / part).unlink(missing_ok=True)
    return path
