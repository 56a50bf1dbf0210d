"""What can be told of each field of a folder, by the verdicts of a replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from robust_augcl.review.given_model_proof import NO_DATA_SET, NO_MODULE
from robust_augcl.review.input_proofs import NO_PRETRAINING
from robust_augcl.review.replay import Verdict
from robust_augcl.review.trust_words import (
    OF_MODULE,
    OF_PRETRAINING,
    ORDER,
    PROBED,
    SPLIT_AGAIN,
    WORDS,
    How,
    Word,
)
from robust_augcl.review.without_model import NO_MODEL


class Row(NamedTuple):
    """What can be told of some fields of a folder: which file's, how they are known, and why."""

    fields: str
    how: How
    why: str


def table(verdicts: Sequence[Verdict], from_scratch: bool = False) -> list[Row]:
    """What can be told of each field of a folder, by its verdicts.

    Args:
        verdicts: of the folder.
        from_scratch: whether all was computed again besides, and was the same.
    """
    rows: list[Row] = []
    there = {verdict.kind for verdict in verdicts}
    for word in WORDS:
        named = word.file.endswith(".json") or word.file == "artifact" or word.file in there
        if not named:
            continue
        how, why = word.how, word.why
        if how == "computed again" or (how == "made again" and "--archives" in why):
            how, why = _counted(word, verdicts, from_scratch)
            why = word.counted + why
        elif why == OF_PRETRAINING and not from_scratch:
            how, why = _held_against(verdicts, word.file, (NO_PRETRAINING,), why)
        elif why == SPLIT_AGAIN and not from_scratch:
            why += _on_whose_word(verdicts)
        elif why in (OF_MODULE, PROBED):
            missing = (NO_MODULE,) if why == OF_MODULE else (NO_MODULE, NO_DATA_SET)
            how, why = _held_against(verdicts, "given model", missing, why)
        elif word.needs_model:
            how, why = _asked(word, verdicts)
        rows.append(Row(f"{word.file}: {', '.join(word.fields)}", how, why))
    return sorted(rows, key=lambda row: ORDER.index(row.how))


def _counted(word: Word, verdicts: Sequence[Verdict], from_scratch: bool) -> tuple[How, str]:
    """How fields are known that are computed again where that is quick: of how many files."""
    file = word.of or word.file
    own = [verdict for verdict in verdicts if verdict.kind == file and not verdict.missing]
    if from_scratch:
        return "computed again", f"all {len(own)}, from scratch"
    left = Counter(verdict.why_not for verdict in own if verdict.why_not)
    done = len(own) - left.total()
    reasons = "; ".join(f"{count} on trust: {why}" for why, count in left.most_common())
    if not left:
        return word.how, f"all {len(own)}"
    return (word.how if done else "on trust"), f"{done} of {len(own)}; {reasons}"


def _held_against(
    verdicts: Sequence[Verdict], file: str, missing: tuple[str, ...], why: str
) -> tuple[How, str]:
    """How fields are known that are held against what may be missing: of how many it is there."""
    own = [verdict for verdict in verdicts if verdict.kind == file and not verdict.missing]
    left = [text for verdict in own for text in missing if verdict.unproved.startswith(text)]
    return _of_so_many(len(own), len(left), why, "; ".join(dict.fromkeys(left)))


def _asked(word: Word, verdicts: Sequence[Verdict]) -> tuple[How, str]:
    """How fields are known that a victim must be asked about: of how many it could be."""
    if word.file.endswith(".json"):  # it is of all results, or of none
        missing = any(verdict.why_not == NO_MODEL for verdict in verdicts)
        return ("on trust", NO_MODEL) if missing else (word.how, word.why)
    own = [verdict for verdict in verdicts if verdict.kind == word.file and not verdict.missing]
    left = sum(verdict.why_not == NO_MODEL for verdict in own)
    return _of_so_many(len(own), left, word.why, NO_MODEL)


def _of_so_many(total: int, left: int, why: str, missing: str) -> tuple[How, str]:
    if not left:
        return "proved", why
    how: How = "proved" if left < total else "on trust"
    return how, f"{total - left} of {total} {why}; {left} on trust: {missing}"


def _on_whose_word(verdicts: Sequence[Verdict]) -> str:
    """Of how many data sets the classes are on trust, and with them what follows from them."""
    own = [verdict for verdict in verdicts if verdict.kind == "data set" and not verdict.missing]
    left = sum(bool(verdict.why_not) for verdict in own)
    return f"; of {left} of {len(own)} these are on trust" if left else ""
