"""A task below another decorator, which the registry knows nothing of."""

from __future__ import annotations

import functools
from collections.abc import Callable

from dispatcher.publish import task


def outer(function: Callable[[], str]) -> Callable[[], str]:
    @functools.wraps(function)
    def wrapper() -> str:
        return "outer " + function()

    return wrapper


@outer
@task()
def wrapped() -> str:
    return "inner"
