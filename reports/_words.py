"""Words for settings: layers, threats, protocols."""

from __future__ import annotations

from typing import Any

_PROTOCOLS = {
    "strict": "models and attacks were chosen without the test graphs",
    "paper": "as published: the model's epoch was chosen on the test graphs, and attacks that "
    "learn, learned on them",
}


def layers_text(count: int) -> str:
    """A number of layers in words."""
    return "1 layer" if count == 1 else f"{count} layers"


def protocol_text(protocol: str) -> str:
    """The protocol, and what it means where that is known."""
    meaning = _PROTOCOLS.get(protocol)
    return f"{protocol} ({meaning})" if meaning else protocol


def threat_text(threat: dict[str, Any]) -> str:
    """A threat model in words; unknown fields stand at the end as they are."""
    rest = {name: value for name, value in threat.items() if name != "type"}
    budget, operations = rest.pop("budget", None), rest.pop("operations", ())
    if isinstance(budget, float):
        much = f"up to {100 * budget:g} % of a graph's edges"
    else:
        much = "edges" if budget is None else "1 edge" if budget == 1 else f"up to {budget} edges"
    verb = (
        " or ".join(
            {"add": "added", "delete": "deleted"}.get(operation, str(operation))
            for operation in operations
        )
        or "edited"
    )
    text = f"{much} {verb}"
    if rest.pop("within_component", False):
        text += ", inside one component"
    if rest.pop("allow_existing", False):
        text += ", an existing edge may be named (which changes nothing)"
    return text + "".join(f", {name} {value}" for name, value in sorted(rest.items()))
