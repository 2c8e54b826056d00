"""The limits of a forked worker.

The fork server does not set them for itself: it has to go on forking. Where it stands: between the fork and the
first thing of the application that runs in a worker.
"""

from __future__ import annotations

import resource


def take_on(limits: dict[str, list[int]]) -> None:
    """Sets limits for this process.

    :param limits: by the names of `ulimit`, the soft and the hard one each
    """
    for name, (soft, hard) in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (soft, hard))
