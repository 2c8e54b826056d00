"""The limits of a forked worker, and its control group.

The fork server does not set them for itself: it has to go on forking. Where it stands: between the fork and the
first thing of the application that runs in a worker.
"""

from __future__ import annotations

import logging
import os
import resource

from .log import note

logger = logging.getLogger("dispatcher.worker")


def enter_group(fd: int, required: bool) -> None:
    """Moves this process into its control group.

    :param fd: its `cgroup.procs`, opened by the service, whose rights count; closed here
    :param required: without it the worker raises and is not one
    """
    try:
        os.write(fd, b"0")
    except OSError as error:
        if required:
            raise
        note(logger, logging.WARNING, "a worker has no control group of its own: %s", error)
    finally:
        os.close(fd)


def take_on(limits: dict[str, list[int]]) -> None:
    """Sets limits for this process.

    :param limits: by the names of `ulimit`, the soft and the hard one each
    """
    for name, (soft, hard) in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (soft, hard))
