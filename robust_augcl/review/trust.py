"""The list of what replay proves, computes again, or takes on trust: a word on every stored field.

A test holds it against the fields of everything that a run stores. So a new field needs a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from robust_augcl.review.given_model_proof import NO_DATA_SET, NO_MODULE
from robust_augcl.review.input_proofs import NO_PRETRAINING
from robust_augcl.review.replay import Verdict
from robust_augcl.review.without_model import NO_MODEL

How = Literal["proved", "made again", "computed again", "on trust"]
ORDER: tuple[How, ...] = ("proved", "made again", "computed again", "on trust")
"""As they are listed: what nothing tells of comes last, where it is read."""


@dataclass(frozen=True)
class Word:
    """What is said of some fields of one kind of file.

    Args:
        file: what holds them: a file's name, "record", or the title of a kind of step.
        fields: their names; one that ends in "*" stands for all that begin so.
        how: "proved": follows from other files and the plan, whoever computed it; "made again":
            by replay itself, whatever it takes; "computed again": by running the step again, where
            it took next to no time, and always with `--from-scratch`; "on trust": nothing tells.
        why: in which way, or why not.
        counted: what stands before the number of the files that were computed again.
        needs_model: whether a given model must be asked, which needs its module.
    """

    file: str
    fields: tuple[str, ...]
    how: How
    why: str
    counted: str = ""
    needs_model: bool = False


_ABOUT = "measured once; tables show seconds, and nothing else rests on it"
_SELECTED = "the epoch of the lowest of its losses; those and its accuracy: trained again"
_DECIDES = "measured once; by its word replay decides what is computed again, and what may differ"
_OF_PRETRAINING = "held against its pretraining"
_SPLIT_AGAIN = (
    "the stored graphs are split again, by their stored classes y; a split that a file states is "
    "read again from it"
)
_EXACT = (
    "a claim is certified again, but for the end of long searches of pairs; that a target has none "
    "is proved where the attack declares that it tries all"
)
_OF_MODULE = "held against the module that --model names"
_PROBED = "probed again where --model names the module; the words of probes are on trust"
_AUDITED = (
    "audited again; that learned attackers are at rest is on trust where one learned longer than "
    "--again"
)
_CHECKSUM = "checksums, compared whenever the file is read"

WORDS: tuple[Word, ...] = (
    Word("run.json", ("table", "seeds"), "on trust", "the question, against which all is held"),
    Word(
        "run.json",
        ("planned_seeds", "planned_names"),
        "on trust",
        "nobody else knows which were planned; it decides whether there are verdicts, no number",
    ),
    Word(
        "run.json",
        ("planned_comparisons", "planned_before"),
        "on trust",
        "nobody else knows what was stated first; it decides what is primary, and equivalence",
    ),
    Word("run.json", ("fingerprint",), "on trust", "proved where --archives hold the files"),
    Word("run.json", ("suite", "records", "measurements"), "proved", "planned again"),
    Word("run.json", ("revisions", "format"), "proved", "compared with the code"),
    Word("run.json", ("version",), "on trust", "revisions tell what matters"),
    Word(
        "record",
        (
            *("key", "cell", "traits", "method_traits", "made_by", "method_settings"),
            *("attack_settings", "threat", "label_rule", "dataset", "victim", "attacker"),
        ),
        "proved",
        "planned again (but the version of ours in made_by)",
    ),
    Word(
        "record",
        ("graph", "node", "label", "num_classes", "notes"),
        "proved",
        "held against data set and victim",
    ),
    Word(
        "record",
        ("clean", "clean_margin"),
        "proved",
        "predicted again, margins within a tolerance",
        needs_model=True,
    ),
    Word(
        "record",
        ("added", "removed", "shared_edits", "attacked", "attacked_margin", "outcomes"),
        "computed again",
        "allowed, and predicted again; that the attack finds no more: the attack proposes again",
        "allowed, and predicted again; that the attack finds no more: computed again ",
    ),
    Word("record", ("exact",), "proved", _EXACT, needs_model=True),
    Word("record", ("queries", "gradient_calls"), "computed again", "the attack proposes again"),
    Word("record", ("schema", "digest"), "proved", _CHECKSUM),
    Word(
        "record",
        ("fit_seconds", "attack_seconds", "environment"),
        "on trust",
        _DECIDES,
    ),
    Word("record", ("pretrain_seconds", "train_seconds"), "on trust", _ABOUT),
    Word(
        "attack",
        ("dataset", "victim", "answers"),
        "on trust",
        "needed until records hold the answers, which are proved",
    ),
    Word(
        "certificate",
        ("graphs", "nodes", "threat", "dataset", "victim"),
        "proved",
        "held against plan, data set and victim",
    ),
    Word(
        "certificate",
        ("certified", "settled", "lower_margin", "witnesses"),
        "proved",
        "searched again, but for the end of long searches of pairs",
        needs_model=True,
    ),
    Word(
        "data set",
        ("train", "validation", "test", "target.*", "num_classes", "label", "label_rule"),
        "made again",
        _SPLIT_AGAIN,
    ),
    Word(
        "data set",
        ("x", "edge_index", "ptr", "y", "edge_attr", "added_edge", "notes"),
        "made again",
        "drawn again, or read again where --archives hold the files",
    ),
    Word(
        "victim",
        ("encoder", "width", "layers", "in_features", "num_classes", "head_hidden"),
        "proved",
        "held against plan and data set",
    ),
    Word("victim", ("notes",), "proved", _OF_PRETRAINING),
    Word("victim", ("model.*", "losses", "train_losses"), "computed again", "trained again"),
    Word("victim", ("selected",), "computed again", _SELECTED),
    Word(
        "linear victim",
        ("encoder", "width", "layers", "in_features", "num_classes"),
        "proved",
        "held against plan and data set",
    ),
    Word("linear victim", ("notes",), "proved", _OF_PRETRAINING),
    Word("linear victim", ("chosen", "accuracy"), "proved", "chosen and counted again"),
    Word("linear victim", ("model.*", "tried"), "computed again", "fitted again"),
    Word("given model", ("label", "notes"), "proved", "planned again"),
    Word("given model", ("weights", "model.*"), "proved", "their digest is that of the plan"),
    Word("given model", ("made_by", "structure"), "proved", _OF_MODULE),
    Word("given model", ("found",), "proved", _PROBED),
    Word("attacker", ("fitted_on",), "proved", "the keys of the graphs of its protocol"),
    Word(
        "attacker",
        ("state.*", "curve", "queries", "gradient_calls"),
        "computed again",
        "the attack learns again",
    ),
    Word("warm-up", ("model.*", "adam.*", "losses"), "computed again", "trained again"),
    Word(
        "pretraining",
        ("encoder.*", "losses", "notes", "diagnosis", "*"),
        "computed again",
        "trained again; what its method measures is the method's to name",
    ),
    Word("representation", ("accuracy", "c"), "computed again", "scored again"),
    Word("artifact", ("title",), "proved", "planned again"),
    Word("artifact", ("format", "digest", "checksum"), "proved", _CHECKSUM),
    Word(
        "artifact",
        ("pretrain_seconds", "warm_up_seconds", "fit_seconds", "answer_seconds"),
        "on trust",
        _ABOUT,
    ),
    Word("artifact", ("seconds", "environment"), "on trust", _DECIDES),
    Word(
        "audit.json",
        ("of", "findings", "version", "digest"),
        "made again",
        _AUDITED,
        needs_model=True,
    ),
    Word("audit.json", ("seconds",), "on trust", _ABOUT),
    Word(
        "transfer.json",
        ("of", "entries", "version", "digest"),
        "made again",
        "turned again",
        needs_model=True,
    ),
)
"""Every field that a run stores. "artifact" stands for what all artifacts hold."""


def word_on(file: str, field: str) -> Word | None:
    """The word on one field; None where there is none.

    Example:
        >>> word_on("attacker", "state.q.weight").how
        'computed again'
    """
    for word in WORDS:
        if word.file == file and any(_stands_for(name, field) for name in word.fields):
            return word
    return None


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
        elif why == _OF_PRETRAINING and not from_scratch:
            how, why = _held_against(verdicts, word.file, (NO_PRETRAINING,), why)
        elif why == _SPLIT_AGAIN and not from_scratch:
            why += _on_whose_word(verdicts)
        elif why in (_OF_MODULE, _PROBED):
            missing = (NO_MODULE,) if why == _OF_MODULE else (NO_MODULE, NO_DATA_SET)
            how, why = _held_against(verdicts, "given model", missing, why)
        elif word.needs_model:
            how, why = _asked(word, verdicts)
        rows.append(Row(f"{word.file}: {', '.join(word.fields)}", how, why))
    return sorted(rows, key=lambda row: ORDER.index(row.how))


def _counted(word: Word, verdicts: Sequence[Verdict], from_scratch: bool) -> tuple[How, str]:
    """How fields are known that are computed again where that is quick: of how many files."""
    own = [verdict for verdict in verdicts if verdict.kind == word.file and not verdict.missing]
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


def _stands_for(name: str, field: str) -> bool:
    return field.startswith(name[:-1]) if name.endswith("*") else field == name
