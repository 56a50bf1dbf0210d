"""What the threats of a section's records allow, in words: the edits, and before which model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from robust_augcl.reports._words import edits_text, threat_text, within_text
from robust_augcl.results.names import joined
from robust_augcl.results.records import Record

_SETTINGS = {
    "evasion": "Evasion: the model is fixed.",
    "poisoning": "Poisoning: the model is trained again on the edited graph. So two models stand "
    "behind each number under attack: the one of the clean graph must be right before the edits, "
    "and the one of the edited graph after them. The second is another one for each attack, "
    "budget and seed.",
}
NO_WORST_CASE = (
    "Under poisoning no worst case is known: each edit trains another model, and nothing is proved "
    "of all of them."
)
"""Why there is no exact worst case of poisoned models."""


class Threats:
    """The threats of some records, of one budget.

    Args:
        records: whose they are.
        budget: of all of them.
    """

    def __init__(self, records: Sequence[Record], budget: int | float) -> None:
        self._records, self._budget = records, budget

    @cached_property
    def text(self) -> str:
        """The edits that are allowed, and whether they are only assumed to keep the class."""
        text = "; or ".join(sorted({threat_text(record.threat) for record in self._records}))
        return text if self.keep_classes else f"{text}, assumed to keep the class"

    @cached_property
    def sentences(self) -> str:
        """The edits and the setting, in sentences, of which the first may follow a colon."""
        return joined(f"{self.text}.", self.setting, by=" ")

    @cached_property
    def setting(self) -> str:
        """What the setting means, in sentences; empty where targets are graphs."""
        return setting_sentences(self._records)

    @cached_property
    def poisoning(self) -> str:
        """What poisoning means, in sentences; empty where no model was trained again."""
        return setting_sentences(record for record in self._records if record.poisons)

    @cached_property
    def keep_classes(self) -> bool:
        """Whether it is proved of every edited target that its class stays."""
        return all(record.label_rule == "components" for record in self._records)

    @cached_property
    def edits(self) -> str:
        """The edits that the budget allows."""
        return edits_text(self._budget, self._share_of)

    @cached_property
    def within(self) -> str:
        """The budget inside a sentence."""
        return within_text(self._budget, self._share_of)

    @property
    def _share_of(self) -> str:
        """What a budget that is a share is one of: the edges of the "graph", or the "degree"."""
        wholes = {str(record.threat.get("share_of", "graph")) for record in self._records}
        return wholes.pop() if len(wholes) == 1 else " or ".join(sorted(wholes))


def setting_sentences(records: Iterable[Record]) -> str:
    """What the setting of records of nodes means, in sentences; empty where targets are graphs."""
    settings = sorted({record.setting for record in records if record.of_nodes})
    return " ".join(_SETTINGS[setting] for setting in settings)
