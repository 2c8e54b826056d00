"""The option that says what happens to a task while an equal one waits or runs.

The decision itself is the service's. Where it stands: `processor_options=[Blocker.Params(on_duplicate="discard")]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dispatcher.processors.params import ProcessorParams
from dispatcher.utils import DuplicateBehavior


class Blocker:
    """Holds back or drops a task that is already there."""

    @dataclass(kw_only=True)
    class Params(ProcessorParams):
        """What to do with a duplicate."""

        on_duplicate: str = DuplicateBehavior.parallel.value
        """One of the values of `DuplicateBehavior`; the service runs a task with any other value as parallel."""

        def to_dict(self) -> dict[str, Any]:
            """The key for the message."""
            return {"on_duplicate": self.on_duplicate}
