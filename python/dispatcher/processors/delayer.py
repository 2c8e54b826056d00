"""The option that makes a task wait before it runs.

The waiting itself is the service's. Where it stands: `processor_options=[Delayer.Params(delay=60)]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dispatcher.processors.params import ProcessorParams


class Delayer:
    """Holds a task back until its delay is over."""

    @dataclass(kw_only=True)
    class Params(ProcessorParams):
        """How long to wait."""

        delay: float = 0.0
        """Seconds between the arrival at the service and the run; 0 runs at once."""

        def to_dict(self) -> dict[str, Any]:
            """The key for the message."""
            return {"delay": self.delay}
