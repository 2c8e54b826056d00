"""What the probe has written down: the slowest answer, and how slow the machine itself was.

Where it stands: trial.py starts the probe (probe.py); rows read figures from here.
"""

from __future__ import annotations

import time
from pathlib import Path

from catalogue import Figures


class Asked:
    """The answers of one probe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ended: float | None = None

    def end(self) -> None:
        """No more is asked: an answer that has not come by now counts as late as it is."""
        self._ended = self._ended or time.monotonic()

    def _lines(self) -> list[tuple[str, float, float]]:
        lines = (line.split() for line in self.path.read_text().splitlines() if line.count(" ") == 2)
        return [(word, float(at), float(took)) for word, at, took in lines]

    def figures(self, since: float = 0.0) -> Figures:
        """The slowest answer to what was asked after `since`, in ms, and by how much the machine was late meanwhile.

        A refused connection is no answer; that nobody ever answered makes `control_ms` None.
        """
        lines = [line for line in self._lines() if line[1] >= since]
        took = {at: seconds for word, at, seconds in lines if word == "took"}
        refused = sum(word == "refused" for word, *_ in lines)
        closed = {at for word, at, _ in lines if word in ("took", "refused")}
        now = self._ended or time.monotonic()
        waiting = [now - at for word, at, _ in lines if word == "asked" and at not in closed]
        slowest = max([*took.values(), *waiting], default=None)
        late = max((seconds for word, _, seconds in lines if word == "late"), default=0.0)
        figures: Figures = {"control_ms": None if slowest is None else round(slowest * 1000)}
        if refused:
            figures["control_refused"] = refused
        if late > 0.02:
            figures["machine_late_ms"] = round(late * 1000)
        return figures
