"""What the options of every stage have in common: they become keys of the message, and can be read from it.

Knows no option by name. Where it stands: under `delayer` and `blocker`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

P = TypeVar("P", bound="ProcessorParams")


@dataclass(kw_only=True)
class ProcessorParams:
    """Options for one stage of the service. Subclass as a dataclass: its fields are keys of the message."""

    def to_dict(self) -> dict[str, Any]:
        """The keys for the message."""
        return asdict(self)

    @classmethod
    def from_message(cls: type[P], message: dict[str, Any]) -> P:
        """The options as a message holds them; what it does not hold keeps its default."""
        return cls(**{field.name: message[field.name] for field in fields(cls) if field.name in message})
