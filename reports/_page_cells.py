"""Heads and cells of the tables that are sorted and filtered by click (`templates/sheet.html`)."""

from __future__ import annotations

from typing import Any


def head(title: str, name: str = "other", text: bool = False) -> dict[str, Any]:
    """The head of a column.

    Args:
        title: what it shows.
        name: by which its cells are filtered, or hidden where there is no room.
        text: whether it holds words, which stand on the left.
    """
    return {"title": title, "name": name, "text": text}


def cell_of(value: str, sort: str, text: bool = False, **more: str) -> dict[str, Any]:
    """A cell.

    Args:
        value: what it shows.
        sort: by which it is sorted: a number in full, or words.
        text: whether it holds words.
        more: its mark, interval or link, or what it unfolds (`more`).

    Example:
        >>> cell_of("59.0", "0.59", interval="58 to 60")["interval"]
        '58 to 60'
    """
    empty = {"mark": "", "interval": "", "link": "", "more": ""}
    return {"value": value, "sort": sort, "text": text, **empty, **more}
