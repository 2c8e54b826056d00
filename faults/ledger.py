"""What really ran: a file to which every task appends a line for each thing that happens to it.

Asks nobody: neither a service nor its log. Times are of the monotonic clock, which all processes of a machine share.
Where it stands: app/fault_tasks.py writes it, trial.py and soak.py read it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

START, END, DEATH, IMPORT = "S", "E", "D", "I"
"""A task began, ended, is about to end its own worker; a module was imported."""


class Ledger:
    """The file, read on from where the last look ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self.marks: dict[str, dict[str, list[tuple[float, int]]]] = defaultdict(dict)
        """By kind and uuid: when, and in which process."""
        self._offset = 0
        self._rest = b""

    def read(self) -> None:
        """Takes in what has been written since."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
        self._offset += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            kind, uuid, at, pid = line.decode().split()
            self.marks[kind].setdefault(uuid, []).append((float(at), int(pid)))

    def times(self, kind: str, uuids: Iterable[str] | None = None) -> list[float]:
        """When this happened to these tasks, or to any; sorted."""
        seen = self.marks[kind]
        chosen = seen if uuids is None else [uuid for uuid in uuids if uuid in seen]
        return sorted(at for uuid in chosen for at, _ in seen[uuid])

    def fresh(self, kind: str, uuids: Iterable[str] | None = None) -> list[float]:
        """The same, after another look at the file."""
        self.read()
        return self.times(kind, uuids)

    def having(self, kind: str) -> set[str]:
        """The tasks to which it happened."""
        return set(self.marks[kind])

    def pids(self, kind: str = START) -> set[int]:
        """The processes in which it happened."""
        return {pid for seen in self.marks[kind].values() for _, pid in seen}

    def extra_starts(self, uuids: Iterable[str]) -> int:
        """How often these tasks were started beyond once."""
        starts = self.marks[START]
        return sum(len(starts[uuid]) - 1 for uuid in uuids if uuid in starts)

    def longest_gap(self, since: float, until: float, uuids: Iterable[str] | None = None) -> float:
        """Seconds without the end of any of these tasks between the two times."""
        ends = [since, *(at for at in self.times(END, uuids) if since < at < until), until]
        return max(later - earlier for earlier, later in itertools.pairwise(ends))
