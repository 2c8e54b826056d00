"""A wall clock that is wrong, for one service alone: the library of the program faketime.

Where it stands: under the row of the clock. Where the library is not installed that row is not run.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from catalogue import Unavailable

PLACES = "/usr/lib/*/faketime/libfaketimeMT.so.1"


class Clock:
    """`environment` is for the service, and `set` may be called while it runs."""

    def __init__(self, place: Path) -> None:
        found = sorted(Path("/").glob(PLACES.lstrip("/")))
        if not found:
            raise Unavailable("the library of faketime is not installed here")
        place.mkdir(parents=True, exist_ok=True)
        self._file = place / "clock"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def __enter__(self) -> Clock:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self.set(0)

    def set(self, hours: int) -> None:
        """So many hours ahead of the true time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{hours * 3600:+d}\n")
        new.replace(self._file)
