"""Attributes replaced for good, where no fixture can put them back: in processes of their own."""

from __future__ import annotations


def replace_attribute(owner: object, name: str, value: object) -> None:
    """Replace an attribute that is there.

    Raises:
        AttributeError: it is not: what was to be replaced has another name now.
    """
    if not hasattr(owner, name):
        raise AttributeError(f"Expected {owner!r} to have an attribute {name!r} to replace")
    setattr(owner, name, value)
