"""Registers a task, and fails below it the first time that it is imported."""

import os
from pathlib import Path

from dispatcher.publish import task


@task()
def twice(number: int) -> int:
    return FACTOR * number


_seen = Path(os.environ["HALF_MODULE"])
if not _seen.exists():
    _seen.touch()
    raise RuntimeError("not yet")

FACTOR = 2
