"""Limits that the kernel puts on a running service: how many processes it may have, how many descriptors, how much
memory.

Uses the first version of cgroups where a directory can be made there; what cannot be limited here raises Unavailable.
Where it stands: under the rows that take something away from a service and give it back.
"""

from __future__ import annotations

import contextlib
import os
import resource
import uuid
from pathlib import Path
from types import TracebackType

from catalogue import Unavailable

HOME = Path("/sys/fs/cgroup")


class Group:
    """A cgroup of one controller; removed at the end, when its processes are gone."""

    def __init__(self, controller: str) -> None:
        self.home = HOME / controller / f"faults-{uuid.uuid4().hex[:8]}"
        try:
            self.home.mkdir()
        except OSError as error:
            raise Unavailable(f"no cgroup of the controller {controller} can be made here ({error.strerror})") from None

    def __enter__(self) -> Group:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        parent = self.home.parent / "cgroup.procs"
        for pid in (self.home / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                parent.write_text(pid)
        with contextlib.suppress(OSError):
            self.home.rmdir()

    def take(self, pid: int) -> None:
        """Puts a process into it; its children to come with it."""
        with contextlib.suppress(ProcessLookupError):
            (self.home / "cgroup.procs").write_text(str(pid))

    def read(self, name: str) -> str:
        """What one of its files says."""
        return (self.home / name).read_text().strip()

    def write(self, name: str, value: int | str) -> None:
        """Sets a limit."""
        (self.home / name).write_text(str(value))


class PidsLimit(Group):
    """How many processes and threads there may be."""

    def __init__(self) -> None:
        super().__init__("pids")

    def __enter__(self) -> PidsLimit:
        return self

    def used(self) -> int:
        """How many there are."""
        return int(self.read("pids.current"))

    def allow(self, count: int) -> None:
        """No more than these."""
        self.write("pids.max", count)

    def lift(self) -> None:
        """As many as wanted."""
        self.write("pids.max", "max")

    def refused(self) -> int:
        """How often one was refused."""
        return int(self.read("pids.events").split()[1])


def limit_descriptors(pid: int, soft: int) -> None:
    """A running process may have no more descriptors than these."""
    hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def descriptor_limit(pid: int) -> int:
    """How many it may have now."""
    return int(resource.prlimit(pid, resource.RLIMIT_NOFILE)[0])


def lowest_free_descriptor(pid: int) -> int:
    """Where its next descriptor would be: a limit of this number takes away what is above."""
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    return next(number for number in range(len(used) + 1) if number not in used)
