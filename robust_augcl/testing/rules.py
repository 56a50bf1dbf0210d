"""What a rule of the contract is, and how a broken one is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from robust_augcl.errors import message_of


class ContractBroken(AssertionError):
    """A plug-in breaks a rule of its contract.

    Attributes:
        rule: the rule's name.
        seen: what was seen.

    >>> try:
    ...     Rule("plain", "It is a number.", "Return one.", lambda it: require(it == 1, it))(2)
    ... except ContractBroken as error:
    ...     error.rule, error.seen
    ('plain', '2')
    """

    def __init__(self, rule: str, message: str, seen: str) -> None:
        super().__init__(message)
        self.rule, self.seen = rule, seen


class Seen(Exception):
    """What a check saw that breaks its rule."""


def broken(what: str) -> NoReturn:
    """Say that the rule is broken, and by what."""
    raise Seen(what)


def require(holds: object, what: str) -> None:
    """Say that the rule is broken, unless something holds."""
    if not holds:
        broken(what)


@dataclass(frozen=True)
class Rule:
    """One rule of a contract; called with a plug-in it checks it.

    Args:
        name: in one or two words.
        says: what a plug-in promises, in a sentence.
        mend: what its author can do where the promise is broken, in a sentence.
        check: raises `Seen` where it is, or whatever the plug-in raises.

    >>> Rule("a number", "It is a number.", "Return one.", lambda it: require(it == 1, it))(1)
    """

    name: str
    says: str
    mend: str
    check: Callable[[Any], None]

    def __call__(self, plug_in: Any) -> None:
        """Check a plug-in.

        Raises:
            ContractBroken: it breaks the rule.
        """
        try:
            self.check(plug_in)
            return
        except Seen as found:
            seen, cause = str(found), None
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            seen, cause = f"it raised {message_of(error)}", error
        message = f"{_name(plug_in)}: {seen}. {self.says} {self.mend}"
        raise ContractBroken(self.name, message, seen) from cause

    def __str__(self) -> str:
        return self.name


def _name(plug_in: Any) -> str:
    plug_in = getattr(plug_in, "source", plug_in)
    made = plug_in if isinstance(plug_in, type) else type(plug_in)
    return str(getattr(made, "__name__", "It"))


class Contract:
    """The rules of one kind of plug-in, in the order in which they are checked."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def rule(
        self, name: str, says: str, mend: str
    ) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
        """Make a function one of the rules."""

        def add(check: Callable[[Any], None]) -> Callable[[Any], None]:
            self.rules.append(Rule(name, says, mend, check))
            return check

        return add

    def hold(self, plug_in: Any, skip: Iterable[str] = ()) -> None:
        """Check all rules but those that are named in `skip`.

        Raises:
            ContractBroken: the first one that is broken.
            ValueError: `skip` names no rule.
        """
        left_out, known = set(skip), [rule.name for rule in self.rules]
        if wrong := sorted(left_out - set(known)):
            raise ValueError(f"Expected `skip` to name rules ({', '.join(known)}), got {wrong}")
        for rule in self.rules:
            if rule.name not in left_out:
                rule(plug_in)
